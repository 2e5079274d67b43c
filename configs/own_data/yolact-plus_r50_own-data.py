# YOLACT++ on your own COCO-style data. Edit the four lines below; see docs/own_data.md.
_base_ = "../yolact_plus/yolact-plus_r50_1xb8-55e_coco.py"

data_root = "{{$DATA_ROOT:data/mine}}"
classes = ("cat",)  # in the order of the annotation files; a single class needs the comma
train_images, train_annotations = "train/", "train.json"
val_images, val_annotations = "val/", "val.json"

# The rest follows from these lines.
metainfo = dict(classes=classes)
data = dict(data_root=data_root, metainfo=metainfo)
train_data = dict(ann_file=train_annotations, data_prefix=dict(img=train_images), **data)
val_data = dict(ann_file=val_annotations, data_prefix=dict(img=val_images), **data)
train_dataloader = dict(dataset=train_data)
val_dataloader = test_dataloader = dict(dataset=val_data)
val_evaluator = test_evaluator = dict(ann_file=f"{data_root}/{val_annotations}")
head = dict(num_classes=len(classes))
model = dict(bbox_head=head, mask_head=dict(mask_iou_head=head, **head))
default_hooks = dict(logger=dict(interval=10))  # a small data set has few iterations an epoch
