# Mask R-CNN, ResNet-101 C4, caffe style, the paper's 18 epochs: Table 2, Faster R-CNN.
_base_ = ["mask-rcnn_r101-caffe-c4_1x_coco.py", "../_base_/schedule_18e.py"]
train_cfg = _base_.schedule_18e.train_cfg
param_scheduler = _base_.schedule_18e.param_scheduler
model = _base_.pop("schedule_18e").model
