"""Helpers for tests of converted checkpoints."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from msrcnn_mm.errors import CheckpointError
from msrcnn_mm.interop.conversion import Format, convert

Weights = dict[str, Tensor]


def refusal(checkpoint: dict[str, Any], *formats: Format) -> str:
    """Returns the message, of a single line, with which a checkpoint is refused."""
    with pytest.raises(CheckpointError) as caught:
        convert(checkpoint, formats)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def assert_identical(found: Any, wanted: Any) -> None:
    """Compares weights bit by bit."""
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        assert found[name].dtype == value.dtype
        assert torch.equal(found[name], value), name


def without(*parts: str) -> Callable[[Weights], Weights]:
    """Returns a function that removes the weights with one of these parts in their names."""
    return lambda weights: {n: w for n, w in weights.items() if not any(p in n for p in parts)}


def with_weight(name: str, value: Any) -> Callable[[Weights], Weights]:
    """Returns a function that adds or replaces one weight."""
    return lambda weights: weights | {name: value}
