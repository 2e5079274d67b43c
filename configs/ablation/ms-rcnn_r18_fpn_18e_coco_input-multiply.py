# Figure 4 (b): the target class's mask multiplies the RoI features.
_base_ = "{{$ABLATION_OF:../ms_rcnn/ms-rcnn_r18_fpn_18e_coco.py}}"
model = dict(roi_head=dict(mask_iou_head=dict(mask_input="target_multiply")))
