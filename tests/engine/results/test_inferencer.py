"""An inferencer whose predictions keep the scores of masks."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet.apis import DetInferencer
from mmengine.config import Config

from msrcnn_mm import MaskScoringInferencer
from msrcnn_mm.rescoring.calibration_file import CalibrationFile
from msrcnn_mm.rescoring.exponents import Exponents
from tests.support import tiny
from tests.support.coco_files import write_data_set
from tests.support.small_runs import CLASSES, small_config

SCORES = {"mask_ious", "mask_scores", "foreground_probs"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Writes a config and a checkpoint beside their data set."""
    config = small_config(write_data_set(tmp_path_factory.mktemp("own") / "data", CLASSES))
    weights = config.parent / "weights.pth"
    model = tiny.build(Config.fromfile(config))
    torch.save(dict(state_dict=model.state_dict(), meta=dict(CLASSES=CLASSES)), weights)
    return config, weights


def predict(kind: type, config: Path, weights: Path, **kwargs: object) -> dict:
    inferencer = kind(str(config), str(weights), device="cpu", show_progress=False)
    image = str(config.parent / "val" / "1.png")
    (prediction,) = inferencer(image, no_save_vis=True, **kwargs)["predictions"]
    return prediction


def test_predictions_keep_the_scores_of_masks(run: tuple[Path, Path], tmp_path: Path) -> None:
    plain = predict(DetInferencer, *run)
    ours = predict(MaskScoringInferencer, *run, out_dir=str(tmp_path), no_save_pred=False)
    assert len(plain["scores"]) > 0
    assert set(ours) == set(plain) | SCORES
    assert {name: ours[name] for name in plain} == plain
    products = np.float32(ours["scores"]) * np.float32(ours["mask_ious"])
    assert ours["mask_scores"] == pytest.approx(products)
    assert json.loads((tmp_path / "preds" / "1.json").read_text()) == ours


def test_a_calibration_of_the_config_is_applied(run: tuple[Path, Path], tmp_path: Path) -> None:
    file = tmp_path / "c.json"
    CalibrationFile("exponents", "class_score", Exponents([2.0]), "gt.json", 9, []).write(file)
    config = Config.fromfile(run[0])
    config.model.test_cfg.calibration = str(file)
    path = run[0].with_name("calibrated.py")
    config.dump(path)
    ours = predict(MaskScoringInferencer, path, run[1])
    squares = [score**2 for score in ours["scores"]]
    assert ours["calibrated_scores"] == pytest.approx(squares, abs=2e-6)
    assert "calibrated_scores" not in predict(DetInferencer, path, run[1])
