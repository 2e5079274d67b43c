# MS R-CNN, ResNet-50, for converted checkpoints of the paper's authors: docs/checkpoints.md.
_base_ = [
    "../mask_rcnn/mask-rcnn_r50-caffe_fpn_maskrcnn-benchmark.py",
    "../_base_/mask_scoring.py",
]
model = _base_.pop("mask_scoring")
