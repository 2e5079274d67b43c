# YOLACT++, ResNet-101, MMDetection's 55 epochs on one GPU.
_base_ = "yolact-plus_r50_1xb8-55e_coco.py"
model = dict(
    backbone=dict(depth=101, dcn_interval=3, init_cfg=dict(checkpoint="torchvision://resnet101"))
)
