# Mask R-CNN, ResNet-50 FPN, the paper's 18 epochs: Table 1.
_base_ = ["mask-rcnn_r50_fpn_1x_coco.py", "../_base_/schedule_18e.py"]
train_cfg = _base_.schedule_18e.train_cfg
param_scheduler = _base_.schedule_18e.param_scheduler
model = _base_.pop("schedule_18e").model
