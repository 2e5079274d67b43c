# COCO, 12 epochs, evaluated and drawn with mask scores. A config adds its model.
_base_ = [
    "mmdet::_base_/datasets/coco_instance.py",
    "mmdet::_base_/schedules/schedule_1x.py",
    "mmdet::_base_/default_runtime.py",
]
custom_imports = dict(imports=["msrcnn_mm"], allow_failed_imports=False)
val_evaluator = dict(type="MaskScoreMetric")
test_evaluator = val_evaluator
visualizer = dict(type="MaskScoreVisualizer")
