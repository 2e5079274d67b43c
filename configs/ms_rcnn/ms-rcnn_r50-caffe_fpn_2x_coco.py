# MS R-CNN, ResNet-50 FPN, caffe style, 24 epochs.
_base_ = ["../mask_rcnn/mask-rcnn_r50-caffe_fpn_2x_coco.py", "../_base_/mask_scoring.py"]
model = _base_.pop("mask_scoring")
