# YOLACT, ResNet-101, with only the re-scoring of YOLACT++, for MMDetection's YOLACT checkpoints.
_base_ = "yolact-rescoring_r50_1xb8-55e_coco.py"
model = dict(backbone=dict(depth=101, init_cfg=dict(checkpoint="torchvision://resnet101")))
