# A scorer on RTMDet-Ins of MMDetection's zoo.
_base_ = "../_base_/frozen_host.py"
model = dict(host="mmdet::rtmdet/rtmdet-ins_s_8xb32-300e_coco.py")
resize = dict(_base_.resize, scale=(640, 640))
pad = dict(type="Pad", size=(640, 640), pad_val=dict(img=(114, 114, 114)))
pipeline = [_base_.image, resize, pad, _base_.instances, _base_.pack]
train_dataloader = val_dataloader = test_dataloader = dict(dataset=dict(pipeline=pipeline))
