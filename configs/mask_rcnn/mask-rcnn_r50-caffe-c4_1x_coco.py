# Mask R-CNN, ResNet-50 C4, caffe style, 12 epochs.
_base_ = ["mmdet::_base_/models/mask-rcnn_r50-caffe-c4.py", "../_base_/coco_1x.py"]
# The shared fifth stage starts from ImageNet weights, too. MMDetection's config of this name leaves
# it random, below frozen batch norms.
pretrained = dict(type="Pretrained", checkpoint="open-mmlab://detectron2/resnet50_caffe")
model = dict(roi_head=dict(shared_head=dict(init_cfg=pretrained)))
