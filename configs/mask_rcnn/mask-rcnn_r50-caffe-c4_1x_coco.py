# Mask R-CNN, ResNet-50 C4, caffe style, 12 epochs.
_base_ = ["mmdet::_base_/models/mask-rcnn_r50-caffe-c4.py", "../_base_/coco_1x.py"]
