"""Calibration of the predictions of a model."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmdet.structures import DetDataSample
from torch import nn

from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.errors import UserError
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

    scores = column("scores")
    assert scores is not None
    detections = Detections(
        image_ids=[None] * len(scores),
        category_ids=[None] * len(scores),
        class_scores=scores,
        mask_ious=column("mask_ious"),
        mask_scores=column("mask_scores"),
        foreground_probs=column("foreground_probs"),
    )
    # In double precision: rounding would tie scores that the calibrator keeps apart.
    values = torch.from_numpy(calibration.apply(detections))
    instances.calibrated_scores = values.to(instances.scores.device)
