# YOLACT, ResNet-101, for the authors' checkpoints.
_base_ = "yolact_r50_authors.py"
model = dict(backbone=dict(depth=101, init_cfg=dict(checkpoint="torchvision://resnet101")))
