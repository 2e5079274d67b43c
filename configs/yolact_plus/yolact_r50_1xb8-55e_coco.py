# YOLACT, ResNet-50, MMDetection's 55 epochs on one GPU.
_base_ = "mmdet::yolact/yolact_r50_1xb8-55e_coco.py"
custom_imports = dict(imports=["msrcnn_mm"], allow_failed_imports=False)
val_evaluator = dict(type="MaskScoreMetric")
test_evaluator = val_evaluator
visualizer = dict(type="MaskScoreVisualizer")
