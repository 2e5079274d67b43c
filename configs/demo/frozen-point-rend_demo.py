# A scorer on the masks of the trained PointRend, whose own scorer is left out.
_base_ = "scored-point-rend_demo.py"
roi_head = dict(_base_.model.roi_head, type="PointRendRoIHead")
roi_head.pop("scorer")
model = dict(
    _delete_=True,
    type="FrozenHost",
    host=dict(_base_.model, roi_head=roi_head),
    checkpoint="work_dirs/scored-point-rend_demo/epoch_20.pth",
    scorer=dict(type="TPShareHead", num_classes=len(_base_.classes)),
    cache_dir="work_dirs/scored-point-rend_demo/host_cache",
)
instances = dict(type="LoadAnnotations", with_bbox=True, with_mask=True)  # of the image's own size
pipeline = [_base_.image, _base_.resize, instances, _base_.pack]
train_dataloader = dict(dataset=dict(pipeline=pipeline))
optim_wrapper = dict(optimizer=dict(lr=1e-3, weight_decay=0.01))
