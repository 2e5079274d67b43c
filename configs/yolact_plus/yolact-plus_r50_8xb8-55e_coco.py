# YOLACT++, ResNet-50, MMDetection's 55 epochs on 8 GPUs of 8 images.
_base_ = ["yolact_r50_8xb8-55e_coco.py", "../_base_/yolact_plus.py"]
model = _base_.pop("yolact_plus")
