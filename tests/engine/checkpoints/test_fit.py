"""Comparison of a checkpoint with the model, for each use of it."""

from typing import Any

import pytest
import torch
from torch import nn

from msrcnn_mm.engine.checkpoints.fit import check_fit
from msrcnn_mm.errors import CheckpointError


def network(**sizes: int) -> nn.ModuleDict:
    return nn.ModuleDict({name: nn.Linear(size, 1) for name, size in sizes.items()})


def fit(model: nn.Module, other: nn.Module, use: Any, **extra: Any) -> None:
    checkpoint = dict(state_dict=other.state_dict(), meta={}, **extra)
    check_fit(model, checkpoint, "x.pth", use)


@pytest.mark.parametrize("use", ["test", "resume", "finetune"])
def test_the_models_own_checkpoint_fits(use: str) -> None:
    fit(network(a=2, b=3), network(a=2, b=3), use)
    parallel = {f"module.{name}": value for name, value in network(a=2).state_dict().items()}
    check_fit(network(a=2), dict(state_dict=parallel, meta={}), "x.pth", use)  # type: ignore[arg-type]


def test_a_test_needs_all_weights_of_the_model() -> None:
    with pytest.raises(CheckpointError, match=r"2 missing \(b.weight, b.bias\); use the config"):
        fit(network(a=2, b=3), network(a=2), "test")
    with pytest.raises(CheckpointError, match=r"1 of another shape \(a.weight: model \(1, 2\), ch"):
        fit(network(a=2), network(a=5), "test")
    fit(network(a=2), network(a=2, b=3), "test")  # as a Mask R-CNN of a Mask Scoring R-CNN


def test_a_checkpoint_of_the_host_is_no_scorers() -> None:
    frozen = network(a=2)
    frozen.register_buffer("host_fingerprint", torch.zeros(32, dtype=torch.uint8))
    with pytest.raises(CheckpointError, match=r"name the scorer's checkpoint; model"):
        fit(frozen, network(a=2), "test")


@pytest.mark.parametrize("other", [dict(a=2), dict(a=2, b=4), dict(a=2, b=3, c=1)])
def test_resuming_needs_the_very_weights(other: dict[str, int]) -> None:
    with pytest.raises(CheckpointError, match=r"load_from=x.pth"):
        fit(network(a=2, b=3), network(**other), "resume")


def test_a_training_starts_from_some_weights() -> None:
    model = network(a=2, b=3)
    fit(model, network(a=2, b=4), "finetune")
    with pytest.raises(CheckpointError, match="do not fit"):
        fit(model, network(c=2), "finetune")


@pytest.mark.parametrize("use", ["test", "resume", "finetune"])
def test_weights_that_are_not_numbers_are_refused(use: str) -> None:
    spoilt = network(a=2, b=3)
    spoilt["b"].weight.data[0, 1] = float("nan")
    with pytest.raises(CheckpointError, match=r"1 weights are not finite numbers \(b\.weight\)"):
        fit(network(a=2, b=3), spoilt, use)


def test_only_a_trainings_checkpoint_can_be_resumed() -> None:
    weights = dict(network(a=2).state_dict())
    check_fit(network(a=2), weights, "x.pth", "test")
    with pytest.raises(CheckpointError, match="weights only, so no training can resume"):
        check_fit(network(a=2), weights, "x.pth", "resume")


def test_a_checkpoint_without_weights() -> None:
    with pytest.raises(CheckpointError, match=r"no state_dict with weights \(it holds meta, hello"):
        check_fit(network(a=2), dict(meta={}, hello=1), "x.pth", "test")
    with pytest.raises(
        CheckpointError, match=r"\(it holds model\); .* python -m msrcnn_mm convert"
    ):
        check_fit(network(a=2), dict(model=dict(a=torch.ones(1))), "x.pth", "test")
