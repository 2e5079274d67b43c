# Mask R-CNN on microscopy images of cell nuclei, narrow enough to train on two CPU cores.
# The objects are many, small and round, so strides are fine and anchors small.
_base_ = "../mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py"

data_root = "{{$NUCLEI_ROOT:data/nuclei/}}"
classes = ("nucleus",)
width = 128

model = dict(
    backbone=dict(
        depth=18,
        init_cfg=dict(type="Pretrained", checkpoint="{{$RESNET18:torchvision://resnet18}}"),
    ),
    neck=dict(in_channels=[64, 128, 256, 512], out_channels=width, num_outs=4),
    rpn_head=dict(
        in_channels=width,
        feat_channels=width,
        anchor_generator=dict(scales=[4], strides=[4, 8, 16, 32]),
    ),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=width),
        bbox_head=dict(in_channels=width, fc_out_channels=512, num_classes=len(classes)),
        mask_roi_extractor=dict(out_channels=width),
        mask_head=dict(in_channels=width, conv_out_channels=width, num_classes=len(classes)),
    ),
    train_cfg=dict(
        rpn_proposal=dict(max_per_img=500), rcnn=dict(sampler=dict(num=128, pos_fraction=0.35))
    ),
    test_cfg=dict(rcnn=dict(max_per_img=150)),
)

image = dict(type="LoadImageFromFile")
train_pipeline = [
    image,
    dict(type="LoadAnnotations", with_bbox=True, with_mask=True),
    dict(type="RandomCrop", crop_size=(256, 256)),
    dict(type="Resize", scale=(384, 384), keep_ratio=True),
    dict(type="RandomFlip", prob=0.75, direction=["horizontal", "vertical", "diagonal"]),
    dict(type="PhotoMetricDistortion"),
    dict(type="PackDetInputs"),
]
resize = dict(type="Resize", scale_factor=1.5, keep_ratio=True)
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

max_epochs = 14
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
optim_wrapper = dict(
    _delete_=True,
    type="OptimWrapper",
    optimizer=dict(type="AdamW", lr=4e-4, weight_decay=0.05),
    clip_grad=dict(max_norm=5),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.05, by_epoch=False, begin=0, end=100),
    dict(type="MultiStepLR", milestones=[10, 13], gamma=0.1, by_epoch=True, end=max_epochs),
]
randomness = dict(seed=0)
