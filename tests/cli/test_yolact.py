"""The commands with YOLACT++: from a data set on disk to results on disk."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config

from msrcnn_mm.coco.annotations import load_annotations
from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.evaluation.true_ious import true_ious
from tests.cli.test_train_and_test import CLASSES, call, refusal
from tests.support.coco_files import write_data_set
from tests.support.tiny_yolact import tiny_config


def write_config(root: Path, name: str, path: Path) -> Path:
    """Writes a small network of the named config on a small data set, for two iterations."""
    config = tiny_config(f"yolact_plus/{name}.py")
    for split in ("train", "val", "test"):
        loader = config[f"{split}_dataloader"]
        loader.update(num_workers=0, persistent_workers=False, batch_size=2)
        which = "train" if split == "train" else "val"
        loader.dataset.update(
            data_root=f"{root}/",
            ann_file=f"{which}.json",
            data_prefix=dict(img=f"{which}/"),
            metainfo=dict(classes=CLASSES),
        )
        for step in loader.dataset.pipeline:
            if step["type"] == "Resize":
                step["scale"] = (160, 160)
    config.val_evaluator.ann_file = config.test_evaluator.ann_file = f"{root}/val.json"
    config.default_hooks.logger.interval = 1
    config.default_hooks.checkpoint.interval = 2
    config.train_cfg.update(max_iters=2, val_interval=2)
    config.randomness = dict(seed=0)
    config.dump(path)
    return path


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data_set(tmp_path_factory.mktemp("own") / "data", CLASSES)


@pytest.fixture(scope="module")
def config(root: Path) -> Path:
    return write_config(root, "yolact-plus_r50_1xb8-800k_coco", root / "plus.py")


@pytest.fixture(scope="module")
def checkpoint(config: Path) -> Path:
    """Trains two iterations, the losses in bf16, and returns their checkpoint."""
    call("train.py", config, "--work-dir", config.parent / "work", "--amp")
    return config.parent / "work" / "iter_2.pth"


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def test_trains_by_iterations(checkpoint: Path) -> None:
    saved = torch.load(checkpoint, weights_only=True)
    assert saved["meta"]["iter"] == 2
    scalars = saved["message_hub"]["log_scalars"]
    assert {"train/loss_mask", "train/loss_mask_iou"} <= set(scalars)


def test_a_test_measures_writes_and_draws(config: Path, checkpoint: Path, tmp_path: Path) -> None:
    writes = ("--out", "results.json", "--show-dir", "shown")
    call("test.py", config, checkpoint, "--work-dir", "run", "--eval", "bbox", "segm", *writes)
    (log,) = (tmp_path / "run").glob("*/*.log")
    assert "mask score" in log.read_text() and "maskness" in log.read_text()
    detections = json.loads((tmp_path / "results.json").read_text())
    assert {d["image_id"] for d in detections} == {1, 2}
    assert all(d["mask_score"] == pytest.approx(d["score"] * d["mask_iou"]) for d in detections)
    assert any(d["mask_iou"] > 0 for d in detections)
    assert {p.name for p in (tmp_path / "shown").iterdir()} == {"1.png", "2.png"}


def test_oracle(root: Path, config: Path, checkpoint: Path, tmp_path: Path) -> None:
    call("test.py", config, checkpoint, "--eval", "segm", "--oracle", "--out", "oracle.json")
    detections = json.loads((tmp_path / "oracle.json").read_text())
    coco = load_annotations(root / "val.json")
    truth = true_ious(coco, Detections.from_rows(detections))
    assert [d["mask_iou"] for d in detections] == pytest.approx(truth)
    assert truth.max() > 0


def test_a_yolact_of_mmdetection_gains_a_scorer(root: Path, tmp_path: Path) -> None:
    plain = Config.fromfile(write_config(root, "yolact_r50_1xb8-800k_coco", tmp_path / "plain.py"))
    # by its registered name it is ours
    plain.model.mask_head.type = "mmdet.models.dense_heads.YOLACTProtonet"
    plain.dump(tmp_path / "plain.py")
    call("train.py", tmp_path / "plain.py", "--work-dir", "plain")
    rescoring = Config.fromfile(tmp_path / "plain.py")
    scorer: dict[str, Any] = dict(type="FastMaskIoUHead", num_classes=len(CLASSES))
    rescoring.model.mask_head.update(type="MaskScoringYOLACTProtonet", mask_iou_head=scorer)
    rescoring.dump(tmp_path / "rescoring.py")
    start = ("--cfg-options", "load_from=plain/iter_2.pth")
    call("train.py", tmp_path / "rescoring.py", "--work-dir", "rescoring", *start)
    (log,) = (tmp_path / "rescoring").glob("*/*.log")
    assert (
        "not all weights fit: 12 missing (mask_head.mask_iou_head.convs.0.weight" in log.read_text()
    )
    # a test, which needs a trained scorer, says what lacks
    said = refusal("test.py", tmp_path / "rescoring.py", "plain/iter_2.pth")
    assert "12 missing (mask_head.mask_iou_head." in said


def test_a_scorer_of_another_number_of_classes_is_refused(config: Path) -> None:
    option = ("--cfg-options", "model.mask_head.mask_iou_head.num_classes=80")
    assert "model.mask_head.mask_iou_head.num_classes=80" in refusal("train.py", config, *option)
