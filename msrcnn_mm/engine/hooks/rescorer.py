"""Calibrated and rescored scores in the predictions of a model."""

from functools import partial
from pathlib import Path
from typing import Any

from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch.utils.hooks import RemovableHandle

from ..adapters.fitted_scores import add_fitted_scores, fitted_scores
from ..adapters.predictions import bare_model, change_predictions


@HOOKS.register_module(name=["RescorerHook", "CalibrationHook"])
class RescorerHook(Hook):
    """Gives the predictions of a validation or test ``calibrated_scores`` and ``rescored_scores``.

    They are (D,) in double precision in ``pred_instances``; all other fields stay. Without a file
    nothing changes. ``CalibrationHook`` is the old name.

    Args:
        calibration: The calibration file; by default that of ``model.test_cfg.calibration``.
        rescorer: The re-scorer's file; by default that of ``model.test_cfg.rescorer``.

    Raises:
        UserError: A file cannot be read, the re-scorer was fitted with views or on other classes,
            or the model lacks what they need.
    """

    def __init__(
        self, calibration: str | Path | None = None, rescorer: str | Path | None = None
    ) -> None:
        self.files = {"calibration": calibration, "rescorer": rescorer}
        self._handle: RemovableHandle | None = None

    def before_test(self, runner: Runner) -> None:
        """Starts to add scores to the model's predictions of a test."""
        self._start(runner, "test_loop")

    def before_val(self, runner: Runner) -> None:
        """Starts to add scores to the model's predictions of a validation."""
        self._start(runner, "val_loop")

    def after_test(self, runner: Runner, *args: Any) -> None:
        """Stops adding them."""
        if self._handle is not None:
            self._handle.remove()

    after_val = after_test

    def _start(self, runner: Runner, loop: str) -> None:
        settings: Any = getattr(bare_model(runner.model), "test_cfg", None) or {}
        own = {name: file for name, file in self.files.items() if file is not None}
        dataset = getattr(runner, loop).dataloader.dataset
        classes = getattr(dataset, "metainfo", {}).get("classes")
        scores = fitted_scores({**settings, **own}, classes)
        if scores:
            self._handle = change_predictions(
                runner.model, partial(add_fitted_scores, scores=scores)
            )
