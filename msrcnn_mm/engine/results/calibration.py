"""Calibration of the predictions of a model."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmdet.structures import DetDataSample
from torch import nn

from msrcnn_mm.errors import UserError
from msrcnn_mm.evaluation.score_columns import ScoreColumns
from msrcnn_mm.rescoring.calibration_file import CalibrationFile


def calibration_of(model: nn.Module) -> str | Path | None:
    """Returns the calibration file that a model's ``test_cfg.calibration`` names."""
    settings: Any = getattr(model, "test_cfg", None) or {}
    return settings.get("calibration")


def add_calibrated_scores(sample: DetDataSample, calibration: CalibrationFile) -> None:
    """Sets ``calibrated_scores``, (D,) in double precision, of one image's D predictions.

    Raises:
        UserError: The model predicts no instances, or lacks a score that the calibration needs.
    """
    if "pred_instances" not in sample:
        raise UserError("test_cfg.calibration: this model predicts no instances")
    instances = sample.pred_instances

    def column(field: str) -> np.ndarray | None:
        return instances[field].double().cpu().numpy() if field in instances else None

    scores, foreground = column("scores"), column("foreground_probs")
    assert scores is not None
    maskness = None if foreground is None else scores * foreground
    columns = ScoreColumns(scores, column("mask_ious"), column("mask_scores"), maskness)
    # In double precision: rounding would tie scores that the calibrator keeps apart.
    values = torch.from_numpy(calibration.apply(columns))
    instances.calibrated_scores = values.to(instances.scores.device)
