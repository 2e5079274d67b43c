# YOLACT++, ResNet-101, MMDetection's 55 epochs on 8 GPUs of 8 images.
_base_ = "yolact-plus_r50_8xb8-55e_coco.py"
model = dict(
    backbone=dict(depth=101, dcn_interval=3, init_cfg=dict(checkpoint="torchvision://resnet101"))
)
