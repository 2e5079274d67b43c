# The demo as PointRend, trained together with a scorer of its own detections.
_base_ = "scored-mask-rcnn_demo.py"
head = _base_.head
model = dict(
    type="PointRend",
    roi_head=dict(
        type="DetectionScoringPointRendRoIHead",
        mask_roi_extractor=dict(
            type="GenericRoIExtractor",
            aggregation="concat",
            roi_layer=dict(_delete_=True, type="SimpleRoIAlign", output_size=14),
            featmap_strides=[4],
        ),
        mask_head=dict(type="CoarseMaskHead", num_fcs=2, fc_out_channels=256),
        point_head=dict(
            type="MaskPointHead",
            num_fcs=3,
            in_channels=head.in_channels,
            fc_channels=head.in_channels,
            num_classes=head.num_classes,
        ),
    ),
    train_cfg=dict(
        rcnn=dict(mask_size=7, num_points=196, oversample_ratio=3, importance_sample_ratio=0.75)
    ),
    test_cfg=dict(rcnn=dict(subdivision_steps=5, subdivision_num_points=784, scale_factor=2)),
)
custom_hooks = []  # ChannelsLastHook refuses SimpleRoIAlign
