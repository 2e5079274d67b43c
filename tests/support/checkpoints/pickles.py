"""Checkpoints as an attacker would write them, and their loading."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mmengine.runner import CheckpointLoader

import msrcnn_mm  # noqa: F401  # makes the loader safe
from msrcnn_mm.errors import CheckpointError


def load(path: Path) -> Any:
    return CheckpointLoader.load_checkpoint(str(path), "cpu", logger="silent")


def refusal(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        load(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


class Calls:
    """Pickles as a call, whose result then gets a state."""

    def __init__(self, function: Callable, *args: Any, state: Any = None) -> None:
        self.call = function, args
        self.state = state

    def __reduce__(self) -> tuple:
        return self.call if self.state is None else (*self.call, self.state)
