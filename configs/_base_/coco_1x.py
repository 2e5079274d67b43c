# COCO, 12 epochs, checked, evaluated and drawn by this package. A config adds its model.
_base_ = [
    "mmdet::_base_/datasets/coco_instance.py",
    "mmdet::_base_/schedules/schedule_1x.py",
    "mmdet::_base_/default_runtime.py",
    "run_hooks.py",
]
default_hooks = _base_.pop("run_hooks")
val_evaluator = dict(type="MaskScoreMetric")
test_evaluator = val_evaluator
visualizer = dict(type="MaskScoreVisualizer")
