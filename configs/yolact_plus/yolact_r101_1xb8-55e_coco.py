# YOLACT, ResNet-101, MMDetection's 55 epochs on one GPU.
_base_ = "yolact_r50_1xb8-55e_coco.py"
model = dict(backbone=dict(depth=101, init_cfg=dict(checkpoint="torchvision://resnet101")))
