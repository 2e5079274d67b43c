# A narrow Mask Scoring R-CNN that trains from scratch on drawn shapes in minutes on two CPU cores.
# `make demo` makes the data and runs it.
_base_ = [
    "mmdet::_base_/models/mask-rcnn_r50_fpn.py",
    "mmdet::_base_/default_runtime.py",
    "../_base_/run_hooks.py",
]

classes = ("beetle", "ring", "star", "tadpole", "window")
data_root = "data/demo/"
image_size = (128, 128)
epochs = 20

width = 48  # channels of the pyramid and of the heads, where the paper has 256
head = dict(in_channels=width, conv_out_channels=width, num_classes=len(classes))
# The pyramid and the heads learn much faster from scratch with batch normalisation.
norm = dict(type="BN")

model = dict(
    type="MaskScoringRCNN",
    # Without pretrained weights every layer learns, on batch statistics.
    backbone=dict(depth=18, base_channels=32, frozen_stages=-1, norm_eval=False, init_cfg=None),
    neck=dict(in_channels=[32, 64, 128, 256], out_channels=width, norm_cfg=norm),
    rpn_head=dict(in_channels=width, feat_channels=width),
    roi_head=dict(
        type="MaskScoringRoIHead",
        # Few samples a bin save time: mmcv's RoIAlign runs on one core.
        bbox_roi_extractor=dict(out_channels=width, roi_layer=dict(sampling_ratio=2)),
        bbox_head=dict(
            type="ConvFCBBoxHead",
            num_shared_convs=2,
            num_shared_fcs=1,
            fc_out_channels=256,
            reg_class_agnostic=True,
            norm_cfg=norm,
            **head,
        ),
        mask_roi_extractor=dict(out_channels=width, roi_layer=dict(sampling_ratio=1)),
        mask_head=dict(norm_cfg=norm, **head),
        mask_iou_head=dict(type="MaskIoUHead", fc_out_channels=256, **head),
    ),
    train_cfg=dict(
        rpn=dict(sampler=dict(num=64)),
        rpn_proposal=dict(nms_pre=250, max_per_img=100),
        rcnn=dict(sampler=dict(num=32), mask_thr_binary=0.5),
    ),
    test_cfg=dict(rpn=dict(nms_pre=250, max_per_img=50), rcnn=dict(max_per_img=30)),
)

image = dict(type="LoadImageFromFile")
resize = dict(type="Resize", scale=image_size, keep_ratio=True)
train_pipeline = [
    image,
    dict(type="LoadAnnotations", with_bbox=True, with_mask=True),
    resize,
    dict(
        type="RandomFlip", prob=[0.25, 0.25, 0.25], direction=["horizontal", "vertical", "diagonal"]
    ),
    dict(type="PackDetInputs"),
]
pack = dict(
    type="PackDetInputs",
    meta_keys=("img_id", "img_path", "ori_shape", "img_shape", "scale_factor"),
)
test_pipeline = [image, resize, pack]

dataset = dict(type="CocoDataset", data_root=data_root, metainfo=dict(classes=classes))
train_dataloader = dict(
    batch_size=4,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=True),
    dataset=dict(
        ann_file="annotations/train.json",
        data_prefix=dict(img="train/"),
        filter_cfg=dict(filter_empty_gt=True),
        pipeline=train_pipeline,
        **dataset,
    ),
)
test_dataloader = dict(
    batch_size=8,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        ann_file="annotations/val.json",
        data_prefix=dict(img="val/"),
        test_mode=True,
        pipeline=test_pipeline,
        **dataset,
    ),
)
test_evaluator = dict(
    type="MaskScoreMetric", ann_file=data_root + "annotations/val.json", metric=["bbox", "segm"]
)

train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=epochs)
test_cfg = dict(type="TestLoop")

optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="AdamW", lr=2e-3, weight_decay=0.05, fused=True),
    clip_grad=dict(max_norm=10),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.01, by_epoch=False, begin=0, end=100),
    dict(
        type="CosineAnnealingLR",
        T_max=epochs,
        eta_min=1e-5,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
]

default_hooks = dict(
    logger=dict(interval=25),
    checkpoint=dict(interval=epochs // 4, max_keep_ckpts=1),
    **_base_.pop("run_hooks"),
)
custom_hooks = [dict(type="ChannelsLastHook")]  # benchmarks/demo_steps.py says what it saves
randomness = dict(seed=0)
visualizer = dict(type="MaskScoreVisualizer")
