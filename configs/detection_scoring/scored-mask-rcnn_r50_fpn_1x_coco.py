# Mask R-CNN, ResNet-50 FPN, 12 epochs, trained together with a scorer.
_base_ = "../mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py"
model = dict(
    roi_head=dict(
        type="DetectionScoringRoIHead",
        scorer=dict(type="TPShareHead", num_classes=80),
    )
)
