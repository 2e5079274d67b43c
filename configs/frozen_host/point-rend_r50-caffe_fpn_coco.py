# A scorer on PointRend of MMDetection's zoo.
_base_ = "../_base_/frozen_host.py"
model = dict(host="mmdet::point_rend/point-rend_r50-caffe_fpn_ms-1x_coco.py")
