# Mask Scoring R-CNN on nuclei: its twin and a MaskIoU head of the twin's width.
_base_ = 'mask-rcnn_r18_fpn_nuclei.py'
model = dict(
    type='MaskScoringRCNN',
    roi_head=dict(
        type='MaskScoringRoIHead',
        mask_iou_head=dict(
            type='MaskIoUHead',
            num_convs=3,
            in_channels=96,
            conv_out_channels=96,
            fc_out_channels=256,
            num_classes=1,
        ),
    ),
    train_cfg=dict(rcnn=dict(mask_thr_binary=0.5)),
)
