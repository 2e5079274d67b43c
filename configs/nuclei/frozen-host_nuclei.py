# A scorer on the masks of the trained Mask R-CNN of this folder, which stays as it is.
_base_ = "mask-rcnn_r18_fpn_nuclei.py"
model = dict(
    _delete_=True,
    type="FrozenHost",
    host=_base_.model,
    checkpoint="work_dirs/mask-rcnn_r18_fpn_nuclei/epoch_14.pth",
    scorer=dict(type="TPShareHead", num_classes=len(_base_.classes)),
    cache_dir="work_dirs/frozen-host_nuclei/host_cache",
)
instances = dict(type="LoadAnnotations", with_bbox=True, with_mask=True)  # of the image's own size
pipeline = [_base_.image, _base_.resize, instances, _base_.pack]
train_dataloader = dict(dataset=dict(pipeline=pipeline))
optim_wrapper = dict(optimizer=dict(lr=2e-3, weight_decay=0.01))
epochs = 16
train_cfg = dict(max_epochs=epochs, val_interval=epochs)
param_scheduler = [
    dict(type="CosineAnnealingLR", T_max=epochs, by_epoch=True, convert_to_iter_based=True)
]
