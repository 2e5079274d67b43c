"""Comparison of each checkpoint that a run loads with the run's model."""

import logging
from typing import Any

from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.registry import HOOKS
from mmengine.runner import BaseLoop, Runner, find_latest_checkpoint

from msrcnn_mm.errors import first_names
from msrcnn_mm.models.hosts.frozen_host import FrozenHost

from ..adapters.predictions import bare_model
from ..checkpoints.fit import Use, check_fit


@HOOKS.register_module()
class CheckpointFitHook(Hook):
    """Checks every checkpoint that a run loads for the use the run makes of it.

    A checkpoint loaded in a test must have all weights of the model, one that a training resumes
    from exactly the model's, and one that a training starts from some of them. It warns where a
    checkpoint, or a frozen host's, was trained for other class names than the data set has.

    Raises:
        CheckpointError: When a checkpoint is loaded that does not fit.
    """

    # after EMAHook, which exchanges the weights
    priority = "VERY_LOW"

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Checks the checkpoint just read; mmengine has not yet put it into the model."""
        # the loop of the run is built before it loads, and a training's before that of its tests
        loops: list[Any] = [runner._test_loop, runner._train_loop, runner._val_loop]
        loop = next((loop for loop in loops if isinstance(loop, BaseLoop)), None)
        use: Use = "test"
        if loop is None or loop is runner._train_loop:
            use = "resume" if runner._resume else "finetune"
        filename = runner._load_from or "the checkpoint"
        if runner._resume and runner._load_from is None:
            filename = find_latest_checkpoint(runner.work_dir)
        check_fit(bare_model(runner.model), checkpoint, str(filename), use)
        if loop is None or use == "finetune":
            return
        _warn_of_other_classes(filename, checkpoint.get("meta"), loop)

    def before_train(self, runner: Runner) -> None:
        """Compares the classes of a frozen host with those of the training images."""
        model = bare_model(runner.model)
        if isinstance(model, FrozenHost):
            _warn_of_other_classes(model.host_checkpoint, model.host_meta, runner.train_loop)


def _warn_of_other_classes(filename: Any, meta: Any, loop: Any) -> None:
    """Warns if a checkpoint's class names are not those of a loop's data set."""
    learnt = _classes((meta or {}).get("dataset_meta"))
    classes = _classes(getattr(loop.dataloader.dataset, "metainfo", None))
    if learnt is not None and classes is not None and tuple(learnt) != tuple(classes):
        print_log(
            f"{filename}: was trained for the classes ({first_names(learnt, 10)}), but the "
            f"data set has ({first_names(classes, 10)}): labels will be given the wrong names",
            logger="current",
            level=logging.WARNING,
        )


def _classes(meta: Any) -> Any:
    """Returns the class names in a data set's meta information; None without any.

    That of a ConcatDataset is a list where its data sets differ, be it in colours.
    """
    first = meta[0] if isinstance(meta, list) else meta or {}
    return first.get("classes", first.get("CLASSES"))
