"""Adds rescored scores to the predictions of a run, and warns of another detector."""

from pathlib import Path
from typing import Any

from mmdet.structures import DetDataSample
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch.utils.hooks import RemovableHandle

from msrcnn_mm.coco.detections import Column
from msrcnn_mm.errors import warn
from msrcnn_mm.rescoring.fingerprints import class_scores_alone
from msrcnn_mm.rescoring.rescorer import Rescorer

from ..adapters.coco_dataset import meta_of
from ..adapters.predictions import bare_model, change_predictions
from ..adapters.rescored_scores import (
    OLD_SETTING,
    SETTING,
    add_rescored_scores,
    read_named_rescorer,
)


@HOOKS.register_module(name=["RescorerHook", "CalibrationHook"])
class RescorerHook(Hook):
    """Gives the predictions of a validation or test ``rescored_scores``.

    They are (D,) in double precision in ``pred_instances``, with ``expected_ious`` and
    ``expected_precisions`` where the file has the curves; all other fields stay. Without a file
    nothing changes. At the end it warns if the class scores are not those of the detector that the
    re-scorer was fitted on. ``CalibrationHook`` is the old name.

    Args:
        calibration: The old name of ``rescorer``.
        rescorer: The re-scorer's file; by default that of ``model.test_cfg.rescorer``.

    Raises:
        UserError: The file cannot be read, was fitted with other views than the model's or on other
            classes, or the model lacks what it needs.
    """

    def __init__(
        self, calibration: str | Path | None = None, rescorer: str | Path | None = None
    ) -> None:
        files = {OLD_SETTING: calibration, SETTING: rescorer}
        self.files = {name: str(file) for name, file in files.items() if file is not None}
        self._handle: RemovableHandle | None = None
        self._rescorer: Rescorer | None = None
        self._class_scores: list[Column] = []  # of each image

    def before_test(self, runner: Runner) -> None:
        """Starts to add scores to the model's predictions of a test."""
        self._start(runner, "test_loop")

    def before_val(self, runner: Runner) -> None:
        """Starts to add scores to the model's predictions of a validation."""
        self._start(runner, "val_loop")

    def after_test(self, runner: Runner, *args: Any) -> None:
        """Stops adding them, and warns of another detector."""
        if self._handle is None or self._rescorer is None:
            return
        self._handle.remove()
        difference = self._rescorer.detector_difference(class_scores_alone(self._class_scores))
        if difference and is_main_process():
            warn(f"{difference}; fit one on results of this model")

    after_val = after_test

    def _start(self, runner: Runner, loop: str) -> None:
        model = bare_model(runner.model)
        settings: Any = self.files or getattr(model, "test_cfg", None) or {}
        classes = meta_of(getattr(runner, loop).dataloader.dataset).get("classes")
        self._rescorer = read_named_rescorer(settings, classes, getattr(model, "view_kinds", ()))
        self._class_scores = []
        if self._rescorer is not None:
            self._handle = change_predictions(runner.model, self._rescore)

    def _rescore(self, sample: DetDataSample) -> None:
        assert self._rescorer is not None
        add_rescored_scores(sample, self._rescorer)
        self._class_scores.append(sample.pred_instances.scores.cpu().numpy().astype(float))
