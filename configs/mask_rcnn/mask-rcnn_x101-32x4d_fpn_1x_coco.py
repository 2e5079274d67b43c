# Mask R-CNN, ResNeXt-101 32x4d FPN, 12 epochs.
_base_ = "mask-rcnn_r101_fpn_1x_coco.py"
model = dict(
    backbone=dict(
        type="ResNeXt",
        groups=32,
        base_width=4,
        init_cfg=dict(type="Pretrained", checkpoint="open-mmlab://resnext101_32x4d"),
    )
)
