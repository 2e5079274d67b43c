# Turns a C4 Mask R-CNN into a Mask Scoring R-CNN. The MaskIoU head reads the same features as the
# mask head, those of the shared fifth stage.
_base_ = "mask_scoring.py"
mask_scoring = dict(roi_head=dict(mask_iou_head=dict(roi_feat_size=7, in_channels=2048)))
