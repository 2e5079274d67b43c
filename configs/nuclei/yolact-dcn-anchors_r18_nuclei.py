# YOLACT on nuclei with the deformable backbone and the anchors of YOLACT++.
_base_ = ["yolact-dcn_r18_nuclei.py", "../_base_/yolact_plus.py"]
model = dict(bbox_head=_base_.pop("yolact_plus").bbox_head)
