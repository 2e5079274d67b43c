# YOLACT++, ResNet-101, for the authors' checkpoints: every third block is deformable.
_base_ = ["yolact_r101_authors.py", "../_base_/yolact_plus.py"]
model = _base_.pop("yolact_plus")
model.backbone.dcn_interval = 3
model.bbox_head.anchor_generator.square = False
