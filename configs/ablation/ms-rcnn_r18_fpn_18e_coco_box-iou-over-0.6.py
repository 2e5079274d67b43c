# Learns from RoIs whose box has an IoU above 0.6 with the ground truth's (a positive has 0.5).
_base_ = "{{$ABLATION_OF:../ms_rcnn/ms-rcnn_r18_fpn_18e_coco.py}}"
model = dict(roi_head=dict(mask_iou_head=dict(box_iou_thr=0.6)))
