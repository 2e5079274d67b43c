# YOLACT on nuclei with the deformable backbone of YOLACT++, every second block, to spare time as
# the authors' ResNet-101 does with every third.
_base_ = ["yolact_r18_nuclei.py", "../_base_/yolact_plus.py"]
model = dict(backbone=_base_.pop("yolact_plus").backbone)
model["backbone"].dcn_interval = 2
