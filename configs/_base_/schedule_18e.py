# Sets the 18 epochs and the SoftNMS of section 4.1 of the paper:
#     train_cfg = _base_.schedule_18e.train_cfg
#     param_scheduler = _base_.schedule_18e.param_scheduler
#     model = _base_.pop("schedule_18e").model
# The optimizer, its rate for 16 images and the top 100 detections are MMDetection's defaults.
schedule_18e = dict(
    train_cfg=dict(max_epochs=18),
    param_scheduler=[
        dict(type="LinearLR", start_factor=0.001, by_epoch=False, begin=0, end=500),
        dict(type="MultiStepLR", begin=0, end=18, by_epoch=True, milestones=[14, 17], gamma=0.1),
    ],
    model=dict(test_cfg=dict(rcnn=dict(nms=dict(type="soft_nms")))),
)
