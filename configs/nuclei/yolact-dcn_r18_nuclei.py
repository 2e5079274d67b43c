# YOLACT on nuclei with the deformable backbone of YOLACT++, at intervals: on a CPU each such layer
# takes as long as a third of the rest.
_base_ = ["yolact_r18_nuclei.py", "../_base_/yolact_plus.py"]
model = dict(backbone=_base_.pop("yolact_plus").backbone)
model["backbone"].dcn_interval = 2
