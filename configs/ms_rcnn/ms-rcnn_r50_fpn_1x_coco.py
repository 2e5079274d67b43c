# Mask Scoring R-CNN (arXiv 1903.00241): Mask R-CNN and a MaskIoU head.
_base_ = "../mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py"
model = dict(
    type="MaskScoringRCNN",
    roi_head=dict(
        type="MaskScoringRoIHead", mask_iou_head=dict(type="MaskIoUHead", num_classes=80)
    ),
    train_cfg=dict(rcnn=dict(mask_thr_binary=0.5)),
)
