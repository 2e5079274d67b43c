# YOLACT++, ResNet-50, the authors' 800,000 iterations.
_base_ = ["yolact_r50_1xb8-800k_coco.py", "../_base_/yolact_plus.py"]
model = _base_.pop("yolact_plus")
