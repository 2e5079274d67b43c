# Sets MMDetection's 2x schedule, 24 epochs:
#     train_cfg = _base_.schedule_2x.train_cfg
#     param_scheduler = _base_.pop("schedule_2x").param_scheduler
schedule_2x = dict(
    train_cfg=dict(max_epochs=24),
    param_scheduler=[
        dict(type="LinearLR", start_factor=0.001, by_epoch=False, begin=0, end=500),
        dict(type="MultiStepLR", begin=0, end=24, by_epoch=True, milestones=[16, 22], gamma=0.1),
    ],
)
