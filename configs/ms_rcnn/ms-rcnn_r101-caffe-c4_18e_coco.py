# MS R-CNN, ResNet-101 C4, caffe style, the paper's 18 epochs: Tables 2 and 3, Faster R-CNN.
_base_ = ["../mask_rcnn/mask-rcnn_r101-caffe-c4_18e_coco.py", "../_base_/mask_scoring_c4.py"]
model = _base_.pop("mask_scoring")
