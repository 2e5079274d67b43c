# A scorer on the masks of the trained demo, whose own MaskIoU head is left out.
_base_ = "ms-rcnn_demo.py"
host = dict(_base_.model, type="MaskRCNN")
host["roi_head"] = dict(host["roi_head"], type="StandardRoIHead")
host["roi_head"].pop("mask_iou_head")
model = dict(
    _delete_=True,
    type="FrozenHost",
    host=host,
    checkpoint="work_dirs/demo/epoch_20.pth",
    scorer=dict(type="TPShareHead", num_classes=len(_base_.classes)),
    cache_dir="work_dirs/demo/host_cache",
)
instances = dict(type="LoadAnnotations", with_bbox=True, with_mask=True)  # of the image's own size
pipeline = [_base_.image, _base_.resize, instances, _base_.pack]
train_dataloader = dict(dataset=dict(pipeline=pipeline))
optim_wrapper = dict(optimizer=dict(lr=1e-3, weight_decay=0.01))
