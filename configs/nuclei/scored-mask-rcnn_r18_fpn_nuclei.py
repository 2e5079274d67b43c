# The Mask R-CNN of this folder, trained together with the paper's network, which learns the TP
# shares of the detector's own detections.
_base_ = "mask-rcnn_r18_fpn_nuclei.py"
model = dict(
    roi_head=dict(
        type="DetectionScoringRoIHead",
        scorer=dict(
            type="MaskIoUHead",
            in_channels=_base_.width,
            conv_out_channels=_base_.width,
            fc_out_channels=512,
            num_classes=len(_base_.classes),
        ),
    )
)
