# A scorer on the masks of the trained YOLACT++ of this folder, which stays as it is.
_base_ = "yolact-plus_demo.py"
model = dict(
    _delete_=True,
    type="FrozenHost",
    host=_base_.model,
    checkpoint="work_dirs/yolact-plus_demo/epoch_20.pth",
    scorer=dict(type="TPShareHead", num_classes=len(_base_.classes)),
    cache_dir="work_dirs/yolact-plus_demo/host_cache",
)
instances = dict(type="LoadAnnotations", with_bbox=True, with_mask=True)  # of the image's own size
pipeline = [_base_.image, _base_.resize, instances, _base_.pack]
train_dataloader = dict(dataset=dict(pipeline=pipeline))
optim_wrapper = dict(optimizer=dict(weight_decay=0.01))
