# YOLACT++, ResNet-50, for converted checkpoints of the authors: docs/checkpoints.md.
_base_ = ["yolact_r50_authors.py", "../_base_/yolact_plus.py"]
model = _base_.pop("yolact_plus")
model.bbox_head.anchor_generator.square = False
