# Hybrid Task Cascade without its semantic branch, which needs COCO-stuff, ResNet-50 FPN, 12 epochs,
# trained together with a scorer.
_base_ = ["mmdet::htc/htc-without-semantic_r50_fpn_1x_coco.py", "../_base_/run_hooks.py"]
model = dict(
    roi_head=dict(
        type="DetectionScoringHTCRoIHead",
        scorer=dict(type="TPShareHead", num_classes=80),
    )
)
default_hooks = _base_.pop("run_hooks")
val_evaluator = dict(type="MaskScoreMetric")
test_evaluator = val_evaluator
visualizer = dict(type="MaskScoreVisualizer")
