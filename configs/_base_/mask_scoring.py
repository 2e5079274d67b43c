# Turns a Mask R-CNN into a Mask Scoring R-CNN:
#     _base_ = ["../mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py", "../_base_/mask_scoring.py"]
#     model = _base_.pop("mask_scoring")
mask_scoring = dict(
    type="MaskScoringRCNN",
    roi_head=dict(
        type="MaskScoringRoIHead", mask_iou_head=dict(type="MaskIoUHead", num_classes=80)
    ),
    train_cfg=dict(rcnn=dict(mask_thr_binary=0.5)),
)
