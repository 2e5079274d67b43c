# YOLACT, ResNet-50, MMDetection's 55 epochs on one GPU.
_base_ = ["mmdet::yolact/yolact_r50_1xb8-55e_coco.py", "../_base_/run_hooks.py"]
default_hooks = _base_.pop("run_hooks")
val_evaluator = dict(type="MaskScoreMetric")
test_evaluator = val_evaluator
visualizer = dict(type="MaskScoreVisualizer")
