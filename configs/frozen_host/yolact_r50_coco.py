# A scorer on YOLACT of MMDetection's zoo.
_base_ = "../_base_/frozen_host.py"
model = dict(host="mmdet::yolact/yolact_r50_1xb8-55e_coco.py", featmap_strides=(8, 16))
pipeline = _base_.pipeline
pipeline[1] = dict(type="Resize", scale=(550, 550), keep_ratio=False)
train_dataloader = val_dataloader = test_dataloader = dict(dataset=dict(pipeline=pipeline))
