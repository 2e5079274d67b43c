# YOLACT++ on your own COCO-format data: say where they are and what their classes are.
# docs/own_data.md tells how, step by step.
_base_ = "../yolact_plus/yolact-plus_r50_1xb8-55e_coco.py"

data_root = "{{$DATA_ROOT:data/mine}}"
classes = ("cat",)  # as in the annotation files and in their order; one class needs the comma too

train_images, train_annotations = "train/", "train.json"
val_images, val_annotations = "val/", "val.json"

# Everything below follows from the lines above.
num_classes = len(classes)
metainfo = dict(classes=classes)
model = dict(
    bbox_head=dict(num_classes=num_classes),
    mask_head=dict(num_classes=num_classes, mask_iou_head=dict(num_classes=num_classes)),
)
train_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        ann_file=train_annotations,
        data_prefix=dict(img=train_images),
        metainfo=metainfo,
    )
)
val_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        ann_file=val_annotations,
        data_prefix=dict(img=val_images),
        metainfo=metainfo,
    )
)
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=data_root + "/" + val_annotations)
test_evaluator = val_evaluator
default_hooks = dict(logger=dict(interval=10))  # few images make short epochs
