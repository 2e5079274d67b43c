# YOLACT, ResNet-50, for converted checkpoints of the authors: docs/checkpoints.md.
_base_ = "yolact_r50_1xb8-800k_coco.py"

model = dict(
    neck=dict(
        _delete_=True,
        type="YOLACTFPN",
        in_channels=[256, 512, 1024, 2048],
        out_channels=256,
        start_level=1,
        num_outs=5,
        upsample_cfg=dict(mode="bilinear"),
    ),
    bbox_head=dict(
        type="AuthorsYOLACTHead",
        anchor_generator=dict(_delete_=True, type="YOLACTAnchorGenerator", square=True),
        bbox_coder=dict(clip_border=False),
    ),
    test_cfg=dict(nms_pre=-1),
)

# The authors resize float images. Rounding to whole grey values first changes pixels by up to 0.5.
train_pipeline = [
    dict(step, to_float32=True) if step["type"] == "LoadImageFromFile" else step
    for step in _base_.train_pipeline
]
test_pipeline = [
    dict(step, to_float32=True) if step["type"] == "LoadImageFromFile" else step
    for step in _base_.test_pipeline
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
