# Mask R-CNN, ResNet-101 C4, caffe style, 12 epochs.
_base_ = "mask-rcnn_r50-caffe-c4_1x_coco.py"
pretrained = dict(type="Pretrained", checkpoint="open-mmlab://detectron2/resnet101_caffe")
model = dict(
    backbone=dict(depth=101, init_cfg=pretrained),
    roi_head=dict(shared_head=dict(depth=101, init_cfg=pretrained)),
)
