# YOLACT++, ResNet-50, MMDetection's 55 epochs on one GPU.
_base_ = ["yolact_r50_1xb8-55e_coco.py", "../_base_/yolact_plus.py"]
model = _base_.pop("yolact_plus")
