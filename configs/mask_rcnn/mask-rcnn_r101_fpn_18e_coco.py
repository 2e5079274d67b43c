# Mask R-CNN, ResNet-101 FPN, the paper's 18 epochs: Tables 1 and 2.
_base_ = ["mask-rcnn_r101_fpn_1x_coco.py", "../_base_/schedule_18e.py"]
train_cfg = _base_.schedule_18e.train_cfg
param_scheduler = _base_.schedule_18e.param_scheduler
model = _base_.pop("schedule_18e").model
