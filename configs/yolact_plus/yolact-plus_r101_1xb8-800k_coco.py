# YOLACT++, ResNet-101, the authors' 800,000 iterations.
_base_ = "yolact-plus_r50_1xb8-800k_coco.py"
model = dict(
    backbone=dict(depth=101, dcn_interval=3, init_cfg=dict(checkpoint="torchvision://resnet101"))
)
