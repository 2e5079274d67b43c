# MS R-CNN, ResNeXt-101 32x4d FPN, 12 epochs.
_base_ = ["../mask_rcnn/mask-rcnn_x101-32x4d_fpn_1x_coco.py", "../_base_/mask_scoring.py"]
model = _base_.pop("mask_scoring")
