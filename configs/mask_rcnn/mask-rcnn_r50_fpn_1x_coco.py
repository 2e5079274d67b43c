# Mask R-CNN, the baseline: MMDetection's own, measured the way its Mask Scoring twin is.
_base_ = "mmdet::mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py"
custom_imports = dict(imports=["msrcnn_mm"], allow_failed_imports=False)
val_evaluator = dict(type="MaskScoreMetric")
test_evaluator = val_evaluator
visualizer = dict(type="MaskScoreVisualizer")
