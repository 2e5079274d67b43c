# A small YOLACT++ that trains from scratch on the demo's drawn shapes, shown at twice their size.
# `python -m msrcnn_mm demo-data data/demo` makes the data.
_base_ = "../yolact_plus/yolact-plus_r50_1xb8-55e_coco.py"

classes = ("beetle", "ring", "star", "tadpole", "window")
data_root = "data/demo/"
epochs = 20

width = 48
model = dict(
    backbone=dict(depth=18, base_channels=32, init_cfg=None),
    neck=dict(in_channels=[32, 64, 128, 256], out_channels=width, num_outs=4),
    bbox_head=dict(
        num_classes=len(classes),
        in_channels=width,
        feat_channels=width,
        anchor_generator=dict(
            base_sizes=[8, 16, 32, 64],
            strides=[8, 16, 32, 64],
            centers=[(4, 4), (8, 8), (16, 16), (32, 32)],
        ),
    ),
    mask_head=dict(
        in_channels=width,
        proto_channels=(width, width, width, None, width, 32),
        num_classes=len(classes),
        mask_iou_head=dict(num_classes=len(classes)),
    ),
    test_cfg=dict(max_per_img=30),
)

image = dict(type="LoadImageFromFile")
resize = dict(type="Resize", scale=(256, 256), keep_ratio=True)
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
dataset = dict(data_root=data_root, metainfo=dict(classes=classes))
train_dataloader = dict(
    batch_size=4,
    num_workers=1,
    dataset=dict(
        **dataset,
        ann_file="annotations/train.json",
        data_prefix=dict(img="train/"),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=8,
    num_workers=1,
    dataset=dict(
        **dataset,
        ann_file="annotations/val.json",
        data_prefix=dict(img="val/"),
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=data_root + "annotations/val.json", metric=["bbox", "segm"])
test_evaluator = val_evaluator

train_cfg = dict(max_epochs=epochs, val_interval=epochs)
optim_wrapper = dict(
    _delete_=True,
    type="OptimWrapper",
    optimizer=dict(type="AdamW", lr=1e-3, weight_decay=0.05),
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
default_hooks = dict(checkpoint=dict(interval=epochs, max_keep_ckpts=1))
randomness = dict(seed=0)
