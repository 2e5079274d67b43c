# The same for the C4 framework: the MaskIoU head reads what the mask head reads, the features of
# the shared fifth stage.
_base_ = "mask_scoring.py"
mask_scoring = dict(roi_head=dict(mask_iou_head=dict(roi_feat_size=7, in_channels=2048)))
