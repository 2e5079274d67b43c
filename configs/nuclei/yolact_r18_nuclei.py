# YOLACT on microscopy images of cell nuclei, narrow enough to train on two CPU cores.
# The objects are many, small and round, so images are shown at twice their size.
_base_ = "../yolact_plus/yolact_r50_1xb8-55e_coco.py"

data_root = "{{$NUCLEI_ROOT:data/nuclei/}}"
classes = ("nucleus",)
width = 96

model = dict(
    backbone=dict(
        depth=18,
        frozen_stages=1,
        norm_eval=True,
        init_cfg=dict(type="Pretrained", checkpoint="{{$RESNET18:torchvision://resnet18}}"),
    ),
    neck=dict(in_channels=[64, 128, 256, 512], out_channels=width, num_outs=4),
    bbox_head=dict(
        num_classes=len(classes),
        in_channels=width,
        feat_channels=width,
        anchor_generator=dict(
            octave_base_scale=2,
            base_sizes=[8, 16, 32, 64],
            strides=[8, 16, 32, 64],
            centers=[(4, 4), (8, 8), (16, 16), (32, 32)],
        ),
    ),
    mask_head=dict(
        in_channels=width,
        proto_channels=(width, width, width, None, width, 32),
        num_classes=len(classes),
    ),
    test_cfg=dict(top_k=400, max_per_img=150),
)

image = dict(type="LoadImageFromFile")
train_pipeline = [
    image,
    dict(type="LoadAnnotations", with_bbox=True, with_mask=True),
    dict(type="RandomCrop", crop_size=(160, 160)),
    dict(type="Resize", scale=(320, 320), keep_ratio=True),
    # The mask loss divides by the box's area: slivers at the crop's edge would dominate it.
    dict(type="FilterAnnotations", min_gt_bbox_wh=(4.0, 4.0)),
    dict(type="RandomFlip", prob=0.75, direction=["horizontal", "vertical", "diagonal"]),
    dict(type="PhotoMetricDistortion"),
    dict(type="PackDetInputs"),
]
resize = dict(type="Resize", scale_factor=2.0, keep_ratio=True)
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
        ann_file="instances_train.json",
        data_prefix=dict(img="train/"),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    num_workers=1,
    dataset=dict(
        **dataset,
        ann_file="instances_val.json",
        data_prefix=dict(img="val/"),
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=data_root + "instances_val.json", proposal_nums=(1, 10, 150))
test_evaluator = val_evaluator

max_epochs = 28
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
optim_wrapper = dict(
    _delete_=True,
    type="OptimWrapper",
    optimizer=dict(type="AdamW", lr=4e-4, weight_decay=0.05),
    clip_grad=dict(max_norm=5),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.05, by_epoch=False, begin=0, end=100),
    dict(type="MultiStepLR", milestones=[20, 26], gamma=0.1, by_epoch=True, end=max_epochs),
]
randomness = dict(seed=0)
