"""Tests that masks are encoded where all that reads them can read RLEs."""

from types import SimpleNamespace
from typing import Any

import pytest
from mmdet.evaluation import CityScapesMetric, CocoMetric, DumpDetResults, LVISMetric
from mmdet.visualization import DetLocalVisualizer as MMDetectionVisualizer
from mmengine.hooks import Hook, IterTimerHook
from torch import nn

from msrcnn_mm.engine.adapters.dump import DumpCocoResults
from msrcnn_mm.engine.adapters.mask_encoder import RleEncoder
from msrcnn_mm.engine.adapters.metric import MaskScoreMetric
from msrcnn_mm.engine.adapters.visualizer import MaskScoreVisualizer
from msrcnn_mm.engine.hooks.mask_encoding import MaskEncodingHook
from msrcnn_mm.engine.hooks.visualization import DetVisualizationHook
from msrcnn_mm.models.hosts.mask_heads import FCNMaskHead


class OwnMetric(MaskScoreMetric):
    """May read masks in a way of its own."""


class Reads(Hook):
    """A user's hook that is called after each batch of a test."""

    def after_test_iter(self, *args: Any, **kwargs: Any) -> None:
        """Reads masks."""


class ReadsAll(Hook):
    """A user's hook that is called after each batch of any kind."""

    def _after_iter(self, *args: Any, **kwargs: Any) -> None:
        """Reads masks."""


class Logs(Hook):
    """A user's hook that reads no predictions."""

    def after_test_epoch(self, *args: Any, **kwargs: Any) -> None:
        """Logs figures."""


def draws(visualizer: type, draw: bool = True) -> DetVisualizationHook:
    hook = DetVisualizationHook.__new__(DetVisualizationHook)
    hook.draw, hook._visualizer = draw, visualizer.__new__(visualizer)
    return hook


def is_encoded(mode: str, metrics: list[type], hooks: list[Hook]) -> bool:
    """Returns whether a head has an encoder during a loop; afterwards it has none."""
    head = FCNMaskHead(num_convs=1)
    evaluator = SimpleNamespace(metrics=[kind.__new__(kind) for kind in metrics])
    runner: Any = SimpleNamespace(model=nn.Sequential(head), hooks=[IterTimerHook(), *hooks])
    setattr(runner, f"{mode}_loop", SimpleNamespace(evaluator=evaluator))
    hook = MaskEncodingHook()
    getattr(hook, f"before_{mode}")(runner)
    encoded = isinstance(head.encoder, RleEncoder)
    getattr(hook, f"after_{mode}")(runner)
    assert head.encoder is None
    return encoded


@pytest.mark.parametrize("mode", ["val", "test"])
def test_metrics_and_hooks_that_read_rles(mode: str) -> None:
    metrics = [CocoMetric, MaskScoreMetric, DumpCocoResults]
    assert is_encoded(mode, metrics, [Logs(), draws(MaskScoreVisualizer)])
    assert is_encoded(mode, metrics, [draws(MMDetectionVisualizer, draw=False)])


@pytest.mark.parametrize("metric", [OwnMetric, DumpDetResults, LVISMetric, CityScapesMetric])
def test_a_metric_that_may_need_images(metric: type) -> None:
    assert not is_encoded("test", [MaskScoreMetric, metric], [])


def test_a_hook_that_may_need_images() -> None:
    for hook in (Reads(), ReadsAll(), draws(MMDetectionVisualizer)):
        assert not is_encoded("test", [MaskScoreMetric], [hook])
    assert is_encoded("val", [MaskScoreMetric], [Reads()])


def test_a_test_that_an_exception_ended_does_not_reach_the_next() -> None:
    head = FCNMaskHead(num_convs=1)
    loops = [SimpleNamespace(evaluator=SimpleNamespace(metrics=of)) for of in ([], [object()])]
    runner: Any = SimpleNamespace(model=nn.Sequential(head), hooks=[])
    hook = MaskEncodingHook()
    runner.test_loop, runner.val_loop = loops
    hook.before_test(runner)
    assert head.encoder is not None
    hook.before_val(runner)
    assert head.encoder is None
