# Table 6: learns from RoIs whose mask IoU target is above tau = 0.7.
_base_ = "{{$ABLATION_OF:../ms_rcnn/ms-rcnn_r18_fpn_18e_coco.py}}"
model = dict(roi_head=dict(mask_iou_head=dict(mask_iou_thr=0.7)))
