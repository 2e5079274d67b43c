"""Every config parses and builds; a new file is tested by existing."""

from pathlib import Path

import pytest
from mmdet.registry import METRICS, MODELS, VISUALIZERS
from mmengine.config import Config
from mmengine.registry import init_default_scope

import msrcnn_mm
from msrcnn_mm.evaluation import MaskScoreMetric
from msrcnn_mm.preflight import check_heads
from msrcnn_mm.score_visualizer import MaskScoreVisualizer

CONFIGS = Path(__file__).parent.parent / "configs"
FILES = sorted(path.relative_to(CONFIGS).as_posix() for path in CONFIGS.rglob("*.py"))


@pytest.mark.parametrize("name", FILES)
def test_config_builds(name: str) -> None:
    config = Config.fromfile(CONFIGS / name)
    init_default_scope("mmdet")
    model = MODELS.build(config.model)
    is_scored = Path(name).name.startswith("ms-rcnn")
    assert isinstance(model.roi_head, msrcnn_mm.MaskScoringRoIHead) == is_scored
    assert METRICS.get(config.test_evaluator.type) is MaskScoreMetric
    assert VISUALIZERS.get(config.visualizer.type) is MaskScoreVisualizer
    classes = config.train_dataloader.dataset.get("metainfo", {}).get("classes")
    if classes:
        check_heads(config.model, classes)


@pytest.mark.parametrize("name", [n for n in FILES if Path(n).name.startswith("ms-rcnn")])
def test_the_twin_differs_by_the_mask_iou_head_alone(name: str) -> None:
    twin = CONFIGS / name.replace("ms_rcnn/", "mask_rcnn/").replace("ms-rcnn", "mask-rcnn")
    if not twin.exists():
        pytest.skip("has no Mask R-CNN twin")
    ours, theirs = Config.fromfile(CONFIGS / name), Config.fromfile(twin)
    del ours.model.roi_head["mask_iou_head"], ours.model.train_cfg.rcnn["mask_thr_binary"]
    for config in (ours, theirs):
        del config.model["type"], config.model.roi_head["type"]
    assert ours.to_dict() == theirs.to_dict()
