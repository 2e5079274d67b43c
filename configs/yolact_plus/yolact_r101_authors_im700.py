# YOLACT, ResNet-101, for the authors' checkpoint of images of 700 x 700 pixels.
_base_ = "yolact_r101_authors.py"

model = dict(
    bbox_head=dict(anchor_generator=dict(image_size=700, sides=(30, 61, 122, 244, 488))),
)

# the Resize of each
test_pipeline = _base_.test_pipeline
test_pipeline[1].scale = (700, 700)
train_pipeline = _base_.train_pipeline
train_pipeline[5].scale = (700, 700)
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
