# The same with a ResNet-101.
_base_ = "yolact_r50_authors.py"
model = dict(backbone=dict(depth=101, init_cfg=dict(checkpoint="torchvision://resnet101")))
