# YOLACT, ResNet-101, with the deformable backbone of YOLACT++.
_base_ = "yolact-dcn_r50_1xb8-800k_coco.py"
model = dict(
    backbone=dict(depth=101, dcn_interval=3, init_cfg=dict(checkpoint="torchvision://resnet101"))
)
