"""Tests what a run logs of its model's views, and its warnings."""

import logging
from types import SimpleNamespace
from typing import Any

import pytest
from mmengine.logging import MMLogger
from mmengine.registry import HOOKS
from torch import nn

from msrcnn_mm.errors import UserError
from tests.engine.hooks.test_rescorer import Wrapper
from tests.engine.views.test_detector import CLASSES, sided, sided_batch


def runner_of(model: Any, classes: Any = CLASSES) -> Any:
    meta = [dict(classes=classes)] * 2  # of data sets that differ in something else
    loop = SimpleNamespace(dataloader=SimpleNamespace(dataset=SimpleNamespace(metainfo=meta)))
    return SimpleNamespace(model=model, test_loop=loop, val_loop=loop)


@pytest.mark.parametrize("loop", ["test", "val"])
def test_cost_swapped_classes_and_duplicates_are_said_at_the_end(
    loop: str, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    hook, model = HOOKS.build(dict(type="MultiViewHook")), sided()
    model(*sided_batch(40), mode="predict")  # of another run
    runner = runner_of(Wrapper(model))
    getattr(hook, f"before_{loop}")(runner)
    model.copies = 2 if loop == "test" else 1
    model(*sided_batch(20), mode="predict")
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    with caplog.at_level(logging.INFO, logger=logger.name):
        getattr(hook, f"after_{loop}")(runner)
    logger.removeHandler(caplog.handler)
    assert model.tally.images == 20
    assert caplog.messages == [model.tally.cost()]
    lines = capsys.readouterr().err.splitlines()
    swapped, *repeated = [line for line in lines if line.startswith("warning: ")]
    assert swapped.startswith("warning: in mirrored images masks of 'left' as")
    assert model.tally.scored == 20 * model.copies
    assert len(repeated) == model.copies - 1
    assert all("warning: 50% of the detections with a class" in line for line in repeated)


def test_classes_are_those_of_the_data_set() -> None:
    hook = HOOKS.build(dict(type="MultiViewHook"))
    model = sided(swap=[("left", "right")])
    hook.before_test(runner_of(model))
    assert model.swapped_labels() == {0: 1}
    with pytest.raises(UserError, match="swap: 'left' is no class of the model, which has 'ring'"):
        hook.before_test(runner_of(model, ["ring", "right"]))


def test_other_models_are_left_alone() -> None:
    model = nn.Linear(1, 1)
    hook = HOOKS.build(dict(type="MultiViewHook"))
    hook.before_test(runner_of(model))
    hook.after_test(runner_of(model))
    assert not hasattr(model, "dataset_meta")
