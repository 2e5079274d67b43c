# Mask R-CNN, ResNet-101 DCNv2+FPN, 12 epochs.
_base_ = "mask-rcnn_r101-dconv-c3-c5_fpn_1x_coco.py"
model = dict(backbone=dict(dcn=dict(type="DCNv2")))
