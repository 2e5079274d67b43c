# YOLACT on nuclei with the deformable backbone of YOLACT++. Every second block is deformable, which
# saves time; the authors' ResNet-101 has every third.
_base_ = ["yolact_r18_nuclei.py", "../_base_/yolact_plus.py"]
model = dict(backbone=dict(_base_.pop("yolact_plus").backbone, dcn_interval=2))
