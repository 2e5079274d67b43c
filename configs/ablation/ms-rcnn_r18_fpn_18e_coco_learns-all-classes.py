# Table 5, #2: every class learns, 0 where it does not appear in the RoI.
_base_ = "{{$ABLATION_OF:../ms_rcnn/ms-rcnn_r18_fpn_18e_coco.py}}"
model = dict(roi_head=dict(mask_iou_head=dict(learns="all_classes")))
