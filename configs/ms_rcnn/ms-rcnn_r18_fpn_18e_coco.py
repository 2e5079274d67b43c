# MS R-CNN, ResNet-18 FPN, the paper's 18 epochs: Table 1.
_base_ = ["../mask_rcnn/mask-rcnn_r18_fpn_18e_coco.py", "../_base_/mask_scoring.py"]
model = _base_.pop("mask_scoring")
