# The demo's network on images that it has never seen, to which a re-scorer is fitted.
_base_ = "ms-rcnn_demo.py"

data_root = "data/demo_labelled/"
test_dataloader = dict(dataset=dict(data_root=data_root))
test_evaluator = dict(ann_file=data_root + "annotations/val.json")
