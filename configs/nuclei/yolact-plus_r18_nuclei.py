# YOLACT++ on nuclei.
_base_ = ["yolact-dcn-anchors_r18_nuclei.py", "../_base_/yolact_plus.py"]
model = dict(mask_head=_base_.pop("yolact_plus").mask_head)
model["mask_head"].mask_iou_head.num_classes = 1
