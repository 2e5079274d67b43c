# YOLACT, ResNet-101, with the deformable backbone and the anchors of YOLACT++.
_base_ = ["yolact-dcn_r101_1xb8-800k_coco.py", "../_base_/yolact_plus.py"]
model = dict(bbox_head=_base_.pop("yolact_plus").bbox_head)
