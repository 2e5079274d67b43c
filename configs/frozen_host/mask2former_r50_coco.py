# A scorer on Mask2Former of MMDetection's zoo, which has no pyramid: it reads the second stage.
_base_ = "../_base_/frozen_host.py"
model = dict(
    host="mmdet::mask2former/mask2former_r50_8xb2-lsj-50e_coco.py",
    featmap_strides=(8,),
    scorer=dict(in_channels=512),
)
