# Figure 4 (c): the masks of all classes are concatenated with the RoI features.
_base_ = "{{$ABLATION_OF:../ms_rcnn/ms-rcnn_r18_fpn_18e_coco.py}}"
model = dict(roi_head=dict(mask_iou_head=dict(mask_input="all_concat")))
