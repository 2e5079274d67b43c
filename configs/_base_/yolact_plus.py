# Turns a YOLACT into a YOLACT++:
#     _base_ = ["yolact_r50_1xb8-55e_coco.py", "../_base_/yolact_plus.py"]
#     model = _base_.pop("yolact_plus")
# Each part is one change of the paper; an ablation takes one part:
#     model = dict(backbone=_base_.pop("yolact_plus").backbone)
yolact_plus = dict(
    # Deformable convolutions in c3 to c5. A ResNet-101 adds dcn_interval=3: every third block.
    backbone=dict(
        type="DeformableResNet",
        dcn=dict(type="DCNv2", deform_groups=1),
        stage_with_dcn=(False, True, True, True),
    ),
    # Anchors of three scales a level.
    bbox_head=dict(anchor_generator=dict(scales_per_octave=3)),
    # Fast mask re-scoring.
    mask_head=dict(
        type="MaskScoringYOLACTProtonet",
        mask_iou_head=dict(type="FastMaskIoUHead", num_classes=80),
    ),
)
