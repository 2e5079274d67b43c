# YOLACT++, ResNet-101, for the authors' checkpoints: every third block is deformable.
_base_ = "yolact-plus_r50_authors.py"
model = dict(
    backbone=dict(depth=101, dcn_interval=3, init_cfg=dict(checkpoint="torchvision://resnet101"))
)
