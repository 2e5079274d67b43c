# MS R-CNN, ResNeXt-101 64x4d FPN, 24 epochs.
_base_ = ["../mask_rcnn/mask-rcnn_x101-64x4d_fpn_2x_coco.py", "../_base_/mask_scoring.py"]
model = _base_.pop("mask_scoring")
