# A scorer on Mask2Former of MMDetection's zoo.
_base_ = "../_base_/frozen_host.py"
model = dict(host="mmdet::mask2former/mask2former_r50_8xb2-lsj-50e_coco.py")
image = dict(_base_.image, to_float32=True)
pipeline = [image, _base_.resize, _base_.instances, _base_.pack]
train_dataloader = val_dataloader = test_dataloader = dict(dataset=dict(pipeline=pipeline))
