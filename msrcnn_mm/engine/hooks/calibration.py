"""Calibrated scores in the predictions of a model."""

from functools import partial
from pathlib import Path
from typing import Any

import torch
from mmdet.structures import DetDataSample
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch import nn
from torch.utils.hooks import RemovableHandle

from msrcnn_mm.coco.detections import SCORE_ENTRIES, Detections
from msrcnn_mm.errors import UserError
from msrcnn_mm.rescoring.calibration_file import CalibrationFile, read_calibration

from ..results.predictions import bare_model, change_predictions


@HOOKS.register_module()
class CalibrationHook(Hook):
    """Gives the predictions of a validation or test ``calibrated_scores``.

    They are (D,) in double precision in ``pred_instances``; all other fields stay. Without a
    calibration nothing changes.

    Args:
        calibration: The calibration file; by default that of ``model.test_cfg.calibration``.

    Raises:
        UserError: The file cannot be read, or the model lacks a score that it needs.
    """

    def __init__(self, calibration: str | Path | None = None) -> None:
        self.calibration = calibration
        self._handle: RemovableHandle | None = None

    def before_test(self, runner: Runner) -> None:
        """Starts to add calibrated scores to the model's predictions."""
        path = self.calibration or calibration_of(bare_model(runner.model))
        if path is not None:
            change = partial(add_calibrated_scores, calibration=read_calibration(path))
            self._handle = change_predictions(runner.model, change)

    def after_test(self, runner: Runner, *args: Any) -> None:
        """Stops adding them."""
        if self._handle is not None:
            self._handle.remove()

    before_val = before_test
    after_val = after_test


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
    fields = ("scores", *(field for field in SCORE_ENTRIES if field in instances))
    scores, *others = (instances[field].double().cpu().numpy() for field in fields)
    unknown = [None] * len(scores)
    columns = dict(zip(fields[1:], others, strict=True))
    values = calibration.apply(Detections(unknown, unknown, scores, **columns))
    # In double precision: rounding would tie scores that the calibrator keeps apart.
    instances.calibrated_scores = torch.from_numpy(values).to(instances.scores.device)
