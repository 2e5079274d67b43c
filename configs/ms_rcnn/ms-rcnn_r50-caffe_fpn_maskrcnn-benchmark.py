# For the authors' checkpoints, which tools/convert_checkpoint.py makes ours.
_base_ = "../mask_rcnn/mask-rcnn_r50-caffe_fpn_maskrcnn-benchmark.py"
model = dict(
    type="MaskScoringRCNN",
    roi_head=dict(
        type="MaskScoringRoIHead", mask_iou_head=dict(type="MaskIoUHead", num_classes=80)
    ),
    train_cfg=dict(rcnn=dict(mask_thr_binary=0.5)),
)
