# What makes a Mask Scoring R-CNN of a Mask R-CNN; model = _base_.pop("mask_scoring") takes it in.
# Under a name of its own, as mmengine lets no two bases have a key in common.
mask_scoring = dict(
    type="MaskScoringRCNN",
    roi_head=dict(
        type="MaskScoringRoIHead", mask_iou_head=dict(type="MaskIoUHead", num_classes=80)
    ),
    train_cfg=dict(rcnn=dict(mask_thr_binary=0.5)),
)
