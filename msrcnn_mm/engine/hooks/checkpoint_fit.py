"""Comparison of each checkpoint that a run loads with the run's model."""

import logging
from collections.abc import Sequence
from typing import Any

from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.registry import HOOKS
from mmengine.runner import BaseLoop, Runner, find_latest_checkpoint

from msrcnn_mm.models.weights import first_names

from ..checkpoints.fit import Use, check_fit
from .runner_parts import bare_model


@HOOKS.register_module()
class CheckpointFitHook(Hook):
    """Checks every checkpoint that a run loads for the use the run makes of it.

    A checkpoint loaded in a test must have all weights of the model, one that a training resumes
    from exactly the model's, and one that a training starts from some of them. It warns where a
    checkpoint was trained for other class names than the data set has.

    Raises:
        CheckpointError: When a checkpoint is loaded that does not fit.
    """

    # after EMAHook, which exchanges the weights
    priority = "LOWEST"

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Checks the checkpoint just read; mmengine has not yet put it into the model."""
        use = _use_of(runner)
        filename = str(runner._load_from or _resumed_checkpoint(runner) or "the checkpoint")
        check_fit(bare_model(runner.model), checkpoint, filename, use)
        meta = (checkpoint.get("meta") or {}).get("dataset_meta") or {}
        learnt = meta.get("classes", meta.get("CLASSES"))
        classes = _classes_of(runner)
        if learnt is None or classes is None or use == "finetune":
            return
        if tuple(learnt) != tuple(classes):
            print_log(
                f"{filename}: was trained for the classes ({first_names(learnt, 10)}), but the "
                f"data set has ({first_names(classes, 10)}): labels will be given the wrong names",
                logger="current",
                level=logging.WARNING,
            )


def _use_of(runner: Runner) -> Use:
    """Returns what a run loads a checkpoint for; it builds its loop before it loads."""
    if isinstance(runner._test_loop, BaseLoop):
        return "test"
    return "resume" if runner._resume else "finetune"


def _resumed_checkpoint(runner: Runner) -> str | None:
    """Returns the file from which a run without a name resumes."""
    return find_latest_checkpoint(runner.work_dir) if runner._resume else None


def _classes_of(runner: Runner) -> Sequence[str] | None:
    """Returns the class names of the data set that the run reads, None if it has none."""
    loop: Any = runner._test_loop
    if not isinstance(loop, BaseLoop):
        loop = runner._train_loop
    if not isinstance(loop, BaseLoop):
        return None
    return (getattr(loop.dataloader.dataset, "metainfo", None) or {}).get("classes")
