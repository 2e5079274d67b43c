# The demo's Mask R-CNN, trained together with a scorer of its own detections.
_base_ = "ms-rcnn_demo.py"
roi_head = dict(_base_.model.roi_head, type="DetectionScoringRoIHead")
roi_head.pop("mask_iou_head")
roi_head["scorer"] = dict(type="TPShareHead", num_classes=len(_base_.classes))
model = dict(type="MaskRCNN", roi_head=dict(_delete_=True, **roi_head))
