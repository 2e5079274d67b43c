# Mask R-CNN, ResNet-101, with maskrcnn-benchmark's pixels, boxes and anchors.
_base_ = "mask-rcnn_r50-caffe_fpn_maskrcnn-benchmark.py"
model = dict(
    backbone=dict(
        depth=101,
        init_cfg=dict(checkpoint="open-mmlab://detectron2/resnet101_caffe"),
    )
)
