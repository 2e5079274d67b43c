# Mask R-CNN, ResNet-18 FPN, the paper's 18 epochs: Table 1.
_base_ = ["mask-rcnn_r18_fpn_1x_coco.py", "../_base_/schedule_18e.py"]
train_cfg = _base_.schedule_18e.train_cfg
param_scheduler = _base_.schedule_18e.param_scheduler
model = _base_.pop("schedule_18e").model

# The paper gives ResNet-18 images of 600 x 1000 pixels instead of 800 x 1333.
train_pipeline = [
    dict(step, scale=(1000, 600)) if step["type"] == "Resize" else step
    for step in _base_.train_pipeline
]
test_pipeline = [
    dict(step, scale=(1000, 600)) if step["type"] == "Resize" else step
    for step in _base_.test_pipeline
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
