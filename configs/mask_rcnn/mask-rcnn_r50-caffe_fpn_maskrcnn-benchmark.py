# Mask R-CNN, ResNet-50, with maskrcnn-benchmark's pixels, boxes and anchors.
_base_ = "mask-rcnn_r50-caffe_fpn_1x_coco.py"

box_coder = dict(type="DetectronBBoxCoder")
roi_extractor = dict(type="DetectronRoIExtractor", roi_layer=dict(aligned=False, sampling_ratio=2))
nms = dict(offset=1)
model = dict(
    data_preprocessor=dict(mean=[102.9801, 115.9465, 122.7717]),
    backbone=dict(norm_cfg=dict(eps=0.0)),
    rpn_head=dict(anchor_generator=dict(type="DetectronAnchorGenerator"), bbox_coder=box_coder),
    roi_head=dict(
        bbox_roi_extractor=roi_extractor,
        bbox_head=dict(bbox_coder=box_coder),
        mask_roi_extractor=roi_extractor,
        mask_head=dict(type="DetectronMaskHead"),
    ),
    train_cfg=dict(rpn_proposal=dict(nms=nms, min_bbox_size=-1)),
    test_cfg=dict(rpn=dict(nms=nms, min_bbox_size=-1), rcnn=dict(nms=nms)),
)

resize = dict(type="TruncatedResize", scale=(1333, 800), backend="pillow")
train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations", with_bbox=True, with_mask=True),
    resize,
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackDetInputs"),
]
test_pipeline = [
    dict(type="LoadImageFromFile"),
    resize,
    dict(type="LoadAnnotations", with_bbox=True, with_mask=True),
    dict(
        type="PackDetInputs",
        meta_keys=("img_id", "img_path", "ori_shape", "img_shape", "scale_factor"),
    ),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
