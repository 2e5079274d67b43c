"""Has the model of a validation or test give masks as RLEs, if all that reads them can."""

from contextlib import ExitStack
from typing import Any

from mmdet.evaluation.metrics import CocoMetric
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from ..adapters.dump import DumpCocoResults
from ..adapters.mask_encoder import encoded_masks
from ..adapters.metric import MaskScoreMetric
from ..adapters.visualizer import DetLocalVisualizer, MaskScoreVisualizer
from .visualization import DetVisualizationHook

_METRICS = (CocoMetric, MaskScoreMetric, DumpCocoResults)
_VISUALIZERS = (DetLocalVisualizer, MaskScoreVisualizer)
_LIBRARIES = ("mmengine", "msrcnn_mm")  # some hooks of mmdet draw masks


@HOOKS.register_module()
class MaskEncodingHook(Hook):
    """Has the model give masks as RLEs in a validation or test, not as images.

    ``pred_instances.masks`` is then a list of D RLEs. It stays (D, height, width) where something
    may need that: a metric other than ``CocoMetric``, ``MaskScoreMetric`` and ``DumpCocoResults``,
    a visualizer other than ``DetLocalVisualizer`` of this package, or a hook of the user's own that
    is called after each batch.
    """

    def __init__(self) -> None:
        self._encoding = ExitStack()

    def before_test(self, runner: Runner) -> None:
        """Starts to encode the masks of a test."""
        self._start(runner, "test")

    def before_val(self, runner: Runner) -> None:
        """Starts to encode the masks of a validation."""
        self._start(runner, "val")

    def after_test(self, runner: Runner, *args: Any) -> None:
        """Ends it."""
        self._encoding.close()

    after_val = after_test

    def _start(self, runner: Runner, mode: str) -> None:
        metrics = getattr(runner, f"{mode}_loop").evaluator.metrics
        read_rles = all(type(metric) in _METRICS for metric in metrics) and all(
            _reads_rles(hook, f"after_{mode}_iter") for hook in runner.hooks
        )
        self._encoding.close()  # that of a test which an exception ended
        if read_rles:
            self._encoding.enter_context(encoded_masks(runner.model))


def _reads_rles(hook: Hook, method: str) -> bool:
    """Returns whether a hook needs no masks of the image's size after each batch."""
    if type(hook) is DetVisualizationHook:
        return not hook.draw or type(hook._visualizer) in _VISUALIZERS
    own = type(hook).__module__.split(".")[0] not in _LIBRARIES
    iterates = (method, "_after_iter")
    return not own or all(getattr(type(hook), m) is getattr(Hook, m) for m in iterates)
