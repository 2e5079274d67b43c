# A scorer on Mask2Former of MMDetection's zoo, which has no pyramid: it reads the second stage.
_base_ = "../_base_/frozen_host.py"
model = dict(
    host="mmdet::mask2former/mask2former_r50_8xb2-lsj-50e_coco.py",
    featmap_strides=(8,),
    scorer=dict(in_channels=512),
)
image = dict(_base_.image, to_float32=True)
pipeline = [image, _base_.resize, _base_.instances, _base_.pack]
train_dataloader = val_dataloader = test_dataloader = dict(dataset=dict(pipeline=pipeline))
