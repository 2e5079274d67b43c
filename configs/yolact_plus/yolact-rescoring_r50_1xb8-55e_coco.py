# YOLACT, ResNet-50, with only the re-scoring of YOLACT++, for MMDetection's YOLACT checkpoints.
_base_ = ["yolact_r50_1xb8-55e_coco.py", "../_base_/yolact_plus.py"]
model = dict(mask_head=_base_.pop("yolact_plus").mask_head)
