# A scorer on CondInst of MMDetection's zoo.
_base_ = "../_base_/frozen_host.py"
model = dict(host="mmdet::condinst/condinst_r50_fpn_ms-poly-90k_coco_instance.py")
image = dict(_base_.image, imdecode_backend="pillow")
resize = dict(_base_.resize, backend="pillow")
pipeline = [image, resize, _base_.instances, _base_.pack]
train_dataloader = val_dataloader = test_dataloader = dict(dataset=dict(pipeline=pipeline))
