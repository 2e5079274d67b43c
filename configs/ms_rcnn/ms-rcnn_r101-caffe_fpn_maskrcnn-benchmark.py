# The same with a ResNet-101.
_base_ = [
    "../mask_rcnn/mask-rcnn_r101-caffe_fpn_maskrcnn-benchmark.py",
    "../_base_/mask_scoring.py",
]
model = _base_.pop("mask_scoring")
