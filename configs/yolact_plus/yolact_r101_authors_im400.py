# YOLACT, ResNet-101, for the authors' checkpoint trained on images of 400 x 400 pixels.
_base_ = "yolact_r101_authors.py"

model = dict(
    bbox_head=dict(anchor_generator=dict(image_size=400, sides=(17, 34, 69, 139, 279))),
)
train_pipeline = [
    dict(step, scale=(400, 400)) if step["type"] == "Resize" else step
    for step in _base_.train_pipeline
]
test_pipeline = [
    dict(step, scale=(400, 400)) if step["type"] == "Resize" else step
    for step in _base_.test_pipeline
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
