"""Calibrated scores in the predictions of a model."""

from functools import partial
from pathlib import Path
from typing import Any

from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch.utils.hooks import RemovableHandle

from msrcnn_mm.rescoring.calibration_file import read_calibration

from ..adapters.predictions import (
    add_calibrated_scores,
    bare_model,
    calibration_of,
    change_predictions,
)


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
