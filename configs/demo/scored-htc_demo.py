# The demo as Hybrid Task Cascade without its semantic branch, trained together with a scorer.
_base_ = "scored-cascade-mask-rcnn_demo.py"
head = dict(_base_.model.roi_head.mask_head, type="HTCMaskHead")
model = dict(
    type="HybridTaskCascade",
    roi_head=dict(
        type="DetectionScoringHTCRoIHead",
        mask_head=[dict(head, with_conv_res=False), head, head],
    ),
)
