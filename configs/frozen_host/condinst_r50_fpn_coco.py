# A scorer on CondInst of MMDetection's zoo.
_base_ = "../_base_/frozen_host.py"
model = dict(
    host="mmdet::condinst/condinst_r50_fpn_ms-poly-90k_coco_instance.py",
    featmap_strides=(8, 16, 32),
)
pipeline = _base_.pipeline
pipeline[1] = dict(type="Resize", scale=(1333, 800), keep_ratio=True, backend="pillow")
train_dataloader = val_dataloader = test_dataloader = dict(dataset=dict(pipeline=pipeline))
