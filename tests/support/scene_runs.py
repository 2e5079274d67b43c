"""Test runs by the command ``test`` on a small scene, in this process."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner

from msrcnn_mm.cli import test
from tests.support.coco_scenes import CATEGORIES, SIDE, random_scene
from tests.support.tiny import build, read

IMAGES = 4
ANNOTATIONS, DETECTIONS = random_scene(5, IMAGES)
CLASSES = tuple(CATEGORIES.values())


def write_run(config: Config, root: Path, metric: str) -> tuple[str, str]:
    config.test_dataloader = read("own_data/ms-rcnn_r50_fpn_own-data.py").test_dataloader
    loader = config.test_dataloader  # which is a copy
    loader.update(num_workers=0, persistent_workers=False, batch_size=2)
    loader.dataset.update(data_root=f"{root}/", metainfo=dict(classes=CLASSES))
    for step in loader.dataset.pipeline:
        if step["type"] == "Resize":
            step["scale"] = (SIDE, SIDE)
    config.test_evaluator = dict(type=metric, ann_file=f"{root}/val.json", metric=["bbox", "segm"])
    torch.save({"state_dict": build(config).state_dict()}, "weights.pth")
    config.dump("config.py")
    return "config.py", "weights.pth"


def metrics(run: tuple[str, str], *args: str) -> dict[str, float]:
    """Runs the command and returns the metrics of the run."""
    found: dict[str, float] = {}
    original = Runner.test

    def spy(runner: Runner) -> dict[str, float]:
        found.update(original(runner))
        assert not runner.model._forward_hooks  # nothing of the option stays
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Runner, "test", spy)
        patch.setenv("LOCAL_RANK", "0")
        test.main([*run, "--work-dir", "run", *args])
    return found
