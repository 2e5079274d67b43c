# Mask R-CNN, ResNet-50 FPN, caffe style, 24 epochs.
_base_ = ["mask-rcnn_r50-caffe_fpn_1x_coco.py", "../_base_/schedule_2x.py"]
train_cfg = _base_.schedule_2x.train_cfg
param_scheduler = _base_.pop("schedule_2x").param_scheduler
