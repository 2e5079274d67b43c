# A scorer on SOLOv2 of MMDetection's zoo.
_base_ = "../_base_/frozen_host.py"
model = dict(host="mmdet::solov2/solov2_r50_fpn_1x_coco.py")
