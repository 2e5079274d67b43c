# For the authors' checkpoints, which tools/convert_checkpoint.py makes ours.
_base_ = [
    "../mask_rcnn/mask-rcnn_r50-caffe_fpn_maskrcnn-benchmark.py",
    "../_base_/mask_scoring.py",
]
model = _base_.pop("mask_scoring")
