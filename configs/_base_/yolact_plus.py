# What makes a YOLACT++ of a YOLACT; model = _base_.pop("yolact_plus") takes it in.
# Each part is one change of the paper's and a switch of its own: an ablation takes in only some.
yolact_plus = dict(
    # Deformable convolutions in c3-c5; in ResNet-101 every third block has one: dcn_interval=3.
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
