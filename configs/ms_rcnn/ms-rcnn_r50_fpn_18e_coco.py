# MS R-CNN, ResNet-50 FPN, the paper's 18 epochs: Table 1.
_base_ = ["../mask_rcnn/mask-rcnn_r50_fpn_18e_coco.py", "../_base_/mask_scoring.py"]
model = _base_.pop("mask_scoring")
