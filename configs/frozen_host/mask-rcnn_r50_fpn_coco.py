# A scorer on Mask R-CNN of MMDetection's zoo.
_base_ = "../_base_/frozen_host.py"
model = dict(host="mmdet::mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py")
