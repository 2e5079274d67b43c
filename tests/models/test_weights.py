"""Comparison of weights; the model's own are never touched."""

import warnings
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from msrcnn_mm.models.weights import WeightMismatch, compare_weights, not_finite
from tests.support import tiny


class Versioned(nn.Linear):
    """Renames its weight if it was written before version 2, as some layers of mmcv do."""

    _version = 2

    def _load_from_state_dict(
        self, state_dict: dict, prefix: str, local_metadata: dict, *args: Any
    ) -> None:
        if local_metadata.get("version", 1) < 2:
            state_dict[f"{prefix}weight"] = state_dict.pop(f"{prefix}kernel")
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)


def compare_unchanged(model: nn.Module, weights: dict[str, Tensor]) -> WeightMismatch:
    """Compares, and checks that neither side has changed by it."""
    before = {name: value.clone() for name, value in model.state_dict().items()}
    given = dict(weights)
    mismatch = compare_weights(model, weights)
    assert weights.keys() == given.keys()
    assert all(weights[name] is value for name, value in given.items())
    after = model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert all(value.device.type == "cpu" for value in after.values())
    return mismatch


def test_a_model_stays_as_it_is() -> None:
    config = tiny.tiny_config()
    model, other = tiny.build(config), tiny.build(config, seed=1)
    mismatch = compare_unchanged(model, other.state_dict())
    assert str(mismatch) == ""
    assert mismatch.fitting == len(model.state_dict())
    with torch.no_grad():  # and works as before
        assert model.eval()(*tiny.inputs(model, False, [(3, 64, 64)]), mode="predict")


def test_differences_are_named() -> None:
    model = nn.ModuleDict(dict(a=nn.Linear(2, 1), b=nn.Linear(3, 1)))
    other = nn.ModuleDict(dict(a=nn.Linear(2, 1), b=nn.Linear(4, 1), c=nn.Linear(1, 1)))
    mismatch = compare_unchanged(model, other.state_dict())
    assert mismatch.fitting == 3
    assert mismatch.missing == []
    assert mismatch.unexpected == ["c.weight", "c.bias"]
    assert mismatch.reshaped == ["b.weight: model (1, 3), checkpoint (1, 4)"]
    assert str(compare_weights(other, model.state_dict())).startswith("2 missing (c.weight, c.bias")


def test_modules_are_told_the_version_that_wrote_their_weights() -> None:
    model, other = (nn.ModuleDict(dict(a=Versioned(2, 1))) for _ in range(2))
    assert str(compare_unchanged(model, other.state_dict())) == ""
    old = {"a.kernel" if n == "a.weight" else n: v for n, v in other.state_dict().items()}
    assert str(compare_unchanged(model, old)) == ""  # without versions they are of the first


def test_a_counter_of_batch_norm_is_not_missed() -> None:
    weights = nn.BatchNorm2d(2).state_dict()
    del weights["num_batches_tracked"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert str(compare_weights(nn.BatchNorm2d(2), dict(weights))) == ""


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite(value: float) -> None:
    weights = {"a": torch.ones(2), "b": torch.tensor([1, value]), "n": torch.tensor(3)}
    assert not_finite(weights) == ["b"]
