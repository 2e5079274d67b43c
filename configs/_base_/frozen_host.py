# Trains a scorer on a frozen host, on COCO. A config names the host; one that is not tested on
# images of 1333 x 800 adds its pipeline.
_base_ = [
    "mmdet::_base_/datasets/coco_instance.py",
    "mmdet::_base_/default_runtime.py",
    "run_hooks.py",
]
model = dict(
    type="FrozenHost",
    scorer=dict(type="TPShareHead", num_classes=80),
)
image = dict(type="LoadImageFromFile")
resize = dict(type="Resize", scale=(1333, 800), keep_ratio=True)
instances = dict(type="LoadAnnotations", with_bbox=True, with_mask=True)  # of the image's own size
pack = dict(
    type="PackDetInputs",
    meta_keys=("img_id", "img_path", "ori_shape", "img_shape", "scale_factor"),
)
pipeline = [image, resize, instances, pack]
train_dataloader = val_dataloader = test_dataloader = dict(dataset=dict(pipeline=pipeline))
epochs = 4
train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=epochs, val_interval=epochs)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="AdamW", lr=1e-3, weight_decay=0.01))
param_scheduler = [
    dict(type="CosineAnnealingLR", T_max=epochs, by_epoch=True, convert_to_iter_based=True)
]
default_hooks = _base_.pop("run_hooks")
val_evaluator = dict(type="MaskScoreMetric")
test_evaluator = val_evaluator
visualizer = dict(type="MaskScoreVisualizer")
