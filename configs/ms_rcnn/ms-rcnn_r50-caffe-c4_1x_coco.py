# MS R-CNN, ResNet-50 C4, caffe style, 12 epochs.
_base_ = ["../mask_rcnn/mask-rcnn_r50-caffe-c4_1x_coco.py", "../_base_/mask_scoring_c4.py"]
model = _base_.pop("mask_scoring")
