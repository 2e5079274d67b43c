# YOLACT, ResNet-50, for the authors' checkpoints, which tools/convert_checkpoint.py makes ours.
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

# They resize floats: rounded to whole grey values between, pixels differ by up to one half. The
# first step of each pipeline reads the image.
test_pipeline = _base_.test_pipeline
test_pipeline[0].to_float32 = True
train_pipeline = _base_.train_pipeline
train_pipeline[0].to_float32 = True
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
