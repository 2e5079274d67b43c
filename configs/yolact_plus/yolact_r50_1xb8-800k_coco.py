# YOLACT, ResNet-50, the authors' schedule: 800,000 iterations of 8 images, 54 epochs of COCO.
# The optimizer is that of MMDetection's YOLACT.
_base_ = "yolact_r50_1xb8-55e_coco.py"
train_cfg = dict(_delete_=True, type="IterBasedTrainLoop", max_iters=800_000, val_interval=20_000)
train_dataloader = dict(sampler=dict(type="InfiniteSampler"))
param_scheduler = [
    dict(type="LinearLR", start_factor=0.1, by_epoch=False, begin=0, end=500),
    dict(
        type="MultiStepLR",
        by_epoch=False,
        milestones=[280_000, 600_000, 700_000, 750_000],
        gamma=0.1,
    ),
]
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=20_000, max_keep_ckpts=3))
log_processor = dict(by_epoch=False)
