# MS R-CNN, ResNet-101 DCN+FPN, the paper's 18 epochs: Tables 2 and 3.
_base_ = ["../mask_rcnn/mask-rcnn_r101-dconv-c3-c5_fpn_18e_coco.py", "../_base_/mask_scoring.py"]
model = _base_.pop("mask_scoring")
