# Mask Scoring R-CNN on nuclei: the Mask R-CNN of this folder and a MaskIoU head of its width.
_base_ = ["mask-rcnn_r18_fpn_nuclei.py", "../_base_/mask_scoring.py"]
model = _base_.pop("mask_scoring")
model.roi_head.mask_iou_head.update(
    in_channels=128, conv_out_channels=128, fc_out_channels=512, num_classes=1
)
