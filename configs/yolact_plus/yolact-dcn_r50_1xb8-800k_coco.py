# YOLACT, ResNet-50, with the deformable backbone of YOLACT++.
_base_ = ["yolact_r50_1xb8-800k_coco.py", "../_base_/yolact_plus.py"]
model = dict(backbone=_base_.pop("yolact_plus").backbone)
