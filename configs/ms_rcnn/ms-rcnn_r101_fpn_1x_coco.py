# MS R-CNN, ResNet-101 FPN, 12 epochs.
_base_ = ["../mask_rcnn/mask-rcnn_r101_fpn_1x_coco.py", "../_base_/mask_scoring.py"]
model = _base_.pop("mask_scoring")
