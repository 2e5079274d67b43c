# Mask Scoring R-CNN on nuclei: its twin and a MaskIoU head of the twin's width.
_base_ = "mask-rcnn_r18_fpn_nuclei.py"
model = dict(
    type="MaskScoringRCNN",
    roi_head=dict(
        type="MaskScoringRoIHead",
        mask_iou_head=dict(
            type="MaskIoUHead",
            in_channels=128,
            conv_out_channels=128,
            fc_out_channels=512,
            num_classes=1,
        ),
    ),
    train_cfg=dict(rcnn=dict(mask_thr_binary=0.5)),
)
