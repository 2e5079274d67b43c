# Mask R-CNN, ResNeXt-101 64x4d FPN, 24 epochs.
_base_ = ["mask-rcnn_x101-64x4d_fpn_1x_coco.py", "../_base_/schedule_2x.py"]
train_cfg = _base_.schedule_2x.train_cfg
param_scheduler = _base_.pop("schedule_2x").param_scheduler
