"""Logs what the views of a model cost, and warns of what agreement suffers from."""

from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.logging import MMLogger
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from msrcnn_mm.errors import warn

from ..adapters.coco_dataset import meta_of
from ..adapters.predictions import bare_model
from ..views.detector import MultiView
from ..views.tally import ViewTally


@HOOKS.register_module()
class MultiViewHook(Hook):
    """Tells a ``MultiViewDetector`` its classes, and logs at the end of a test what views cost.

    It warns of classes that mirroring swaps and of many near-duplicates. Other models are left as
    they are. In a distributed run the figures are those of the first process.

    Raises:
        UserError: A class to swap is none of the data set's.
    """

    def before_test(self, runner: Runner) -> None:
        """Starts to count in a test."""
        self._start(runner, "test_loop")

    def before_val(self, runner: Runner) -> None:
        """Starts to count in a validation."""
        self._start(runner, "val_loop")

    def after_test(self, runner: Runner, *args: Any) -> None:
        """Logs seconds an image of each view."""
        model = bare_model(runner.model)
        if not (isinstance(model, MultiView) and model.tally.images and is_main_process()):
            return
        MMLogger.get_current_instance().info(model.tally.cost())
        for warning in model.tally.warnings(model.dataset_meta.get("classes")):
            warn(warning)

    after_val = after_test

    def _start(self, runner: Runner, loop: str) -> None:
        model = bare_model(runner.model)
        if not isinstance(model, MultiView):
            return
        model.dataset_meta = meta_of(getattr(runner, loop).dataloader.dataset)
        model.swapped_labels()
        model.tally = ViewTally()
