# Mask R-CNN, ResNet-101 FPN, caffe style, 12 epochs: the authors' README.
_base_ = "mask-rcnn_r50-caffe_fpn_1x_coco.py"
model = dict(
    backbone=dict(
        depth=101,
        init_cfg=dict(type="Pretrained", checkpoint="open-mmlab://detectron2/resnet101_caffe"),
    )
)
