# MS R-CNN, ResNet-101 C4, caffe style, 12 epochs.
_base_ = ["../mask_rcnn/mask-rcnn_r101-caffe-c4_1x_coco.py", "../_base_/mask_scoring.py"]
model = _base_.pop("mask_scoring")
# The MaskIoU head reads what the mask head reads: the features of the shared fifth stage.
model.roi_head.mask_iou_head.update(roi_feat_size=7, in_channels=2048)
