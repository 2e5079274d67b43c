# Mask R-CNN, ResNet-50 FPN, 12 epochs.
_base_ = ["mmdet::_base_/models/mask-rcnn_r50_fpn.py", "../_base_/coco_1x.py"]
