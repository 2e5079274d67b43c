# A scorer on HTC of MMDetection's zoo.
_base_ = "../_base_/frozen_host.py"
model = dict(host="mmdet::htc/htc_r50_fpn_1x_coco.py")
