# PointRend, ResNet-50 FPN, caffe style, images of several sizes, 12 epochs, trained together with a
# scorer.
_base_ = ["mmdet::point_rend/point-rend_r50-caffe_fpn_ms-1x_coco.py", "../_base_/run_hooks.py"]
model = dict(
    roi_head=dict(
        type="DetectionScoringPointRendRoIHead",
        scorer=dict(type="TPShareHead", num_classes=80),
    )
)
default_hooks = _base_.pop("run_hooks")
val_evaluator = dict(type="MaskScoreMetric")
test_evaluator = val_evaluator
visualizer = dict(type="MaskScoreVisualizer")
