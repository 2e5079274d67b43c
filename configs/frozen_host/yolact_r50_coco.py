# A scorer on YOLACT of MMDetection's zoo.
_base_ = "../_base_/frozen_host.py"
model = dict(host="mmdet::yolact/yolact_r50_1xb8-55e_coco.py")
resize = dict(type="Resize", scale=(550, 550), keep_ratio=False)
pipeline = [_base_.image, resize, _base_.instances, _base_.pack]
train_dataloader = val_dataloader = test_dataloader = dict(dataset=dict(pipeline=pipeline))
