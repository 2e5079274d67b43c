# Table 5, #3: every class that appears in the RoI learns its own IoU.
_base_ = "{{$ABLATION_OF:../ms_rcnn/ms-rcnn_r18_fpn_18e_coco.py}}"
model = dict(roi_head=dict(mask_iou_head=dict(learns="positive_classes")))
