# Cascade Mask R-CNN, ResNet-50 FPN, 12 epochs, trained together with a scorer.
_base_ = ["mmdet::_base_/models/cascade-mask-rcnn_r50_fpn.py", "../_base_/coco_1x.py"]
model = dict(
    roi_head=dict(
        type="DetectionScoringCascadeRoIHead",
        scorer=dict(type="TPShareHead", num_classes=80),
    )
)
