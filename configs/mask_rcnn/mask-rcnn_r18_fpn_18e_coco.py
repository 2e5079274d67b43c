# Mask R-CNN, ResNet-18 FPN, the paper's 18 epochs: Table 1.
_base_ = ["mask-rcnn_r18_fpn_1x_coco.py", "../_base_/schedule_18e.py"]
train_cfg, param_scheduler, model = _base_.pop("schedule_18e").values()

# ResNet-18 sees images of 600 x 1000 where the others see 800 x 1333.
_base_.train_pipeline[2].scale = _base_.test_pipeline[1].scale = (1000, 600)
train_dataloader = dict(dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = val_dataloader
