# YOLACT, ResNet-101, with the deformable backbone of YOLACT++.
_base_ = ["yolact_r101_1xb8-800k_coco.py", "../_base_/yolact_plus.py"]
model = dict(backbone=_base_.pop("yolact_plus").backbone)
model["backbone"].dcn_interval = 3
