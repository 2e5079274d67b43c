"""Comparison of a model's weights with those of a checkpoint."""

import copy
import re
import warnings
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from msrcnn_mm.errors import CheckpointError, first_names


@dataclass
class WeightMismatch:
    """Names of the weights in which a model and a checkpoint differ.

    ``str`` of it lists them, and is empty where there are none.

    Attributes:
        fitting: How many of the checkpoint's weights fit.
        missing: Weights that the checkpoint lacks.
        unexpected: Weights that the model lacks.
        reshaped: Weights of another shape, each with both shapes.
    """

    fitting: int
    missing: list[str]
    unexpected: list[str]
    reshaped: list[str]

    def __str__(self) -> str:
        parts = (
            ("missing", self.missing),
            ("of another shape", self.reshaped),
            ("unknown to the model", self.unexpected),
        )
        return ", ".join(
            f"{len(names)} {word} ({first_names(names)})" for word, names in parts if names
        )


def compare_weights(model: nn.Module, state_dict: Mapping[str, Any]) -> WeightMismatch:
    """Compares a checkpoint's weights with a model's; the model stays as it is.

    Modules rename the weights of their older versions while they load. The weights are therefore
    loaded, without their values, into a copy of the model on torch's meta device.

    Args:
        model: The model, without a wrapper.
        state_dict: Name -> weight; the prefix ``module.`` of a data-parallel wrapper is ignored.
    """
    own = model.state_dict()
    weights = unwrapped(state_dict)
    reshaped = [
        name
        for name, value in weights.items()
        if name in own and getattr(value, "shape", None) != own[name].shape
    ]
    candidates = OrderedDict(
        (name, _without_values(value) if isinstance(value, Tensor) else value)
        for name, value in weights.items()
        if name not in set(reshaped)
    )
    count = len(candidates)
    candidates._metadata = weights._metadata  # type: ignore[attr-defined]
    with warnings.catch_warnings():
        # batch norm itself adds the counters that old checkpoints lack, with values
        warnings.filterwarnings("ignore", ".*copying from a non-meta parameter")
        result = _on_meta_device(model).load_state_dict(candidates, strict=False)
    missing = [
        name
        for name in result.missing_keys
        # batch norm's counter came later than many checkpoints and is not used in training
        if not name.endswith("num_batches_tracked") and name not in reshaped
    ]
    unexpected = list(result.unexpected_keys)
    shapes = [
        f"{name}: model {tuple(own[name].shape)}, "
        f"checkpoint {tuple(getattr(weights[name], 'shape', ()))}"
        for name in reshaped
    ]
    return WeightMismatch(count - len(unexpected), missing, unexpected, shapes)


def unwrapped(state_dict: Mapping[str, Any]) -> OrderedDict[str, Any]:
    """Removes the prefix ``module.`` of a data-parallel wrapper from the names of weights.

    Keeps the versions of the modules that wrote them, by which modules rename older weights.
    """
    weights = OrderedDict(
        (re.sub(r"^module\.", "", name), value) for name, value in state_dict.items()
    )
    weights._metadata = getattr(state_dict, "_metadata", {})  # type: ignore[attr-defined]
    return weights


def _on_meta_device(model: nn.Module) -> nn.Module:
    """Copies a model with parameters and buffers that have shapes and no values."""
    memo: dict[int, Any] = {}
    for parameter in model.parameters():
        memo[id(parameter)] = nn.Parameter(_without_values(parameter), parameter.requires_grad)
    for buffer in model.buffers():
        memo[id(buffer)] = _without_values(buffer)
    return copy.deepcopy(model, memo)


def _without_values(tensor: Tensor) -> Tensor:
    return torch.empty_like(tensor, device="meta", requires_grad=False)


def weights_of(checkpoint: Mapping, filename: str) -> Mapping[str, Any]:
    """Returns the weights of a checkpoint.

    Args:
        checkpoint: As loaded: with a ``state_dict``, or nothing but weights.
        filename: Its name, for messages.

    Raises:
        CheckpointError: It has none, or some are NaN or infinite.
    """
    weights = checkpoint.get("state_dict", checkpoint)
    if not isinstance(weights, Mapping) or not any(
        isinstance(value, Tensor) for value in weights.values()
    ):
        holds = first_names([*checkpoint]) if checkpoint else "nothing"
        # detectron2, maskrcnn-benchmark and others keep their weights under "model"
        hint = ""
        if isinstance(checkpoint.get("model"), Mapping):
            hint = (
                "; if it is a checkpoint of the authors' code, convert it with"
                " python -m msrcnn_mm convert"
            )
        raise CheckpointError(
            f"{filename}: has no state_dict with weights (it holds {holds}){hint}"
        )
    spoilt = not_finite(weights)
    if spoilt:
        raise CheckpointError(
            f"{filename}: {len(spoilt)} weights are not finite numbers ({first_names(spoilt)}): the"
            " training diverged, or the file is damaged; use an earlier checkpoint"
        )
    return weights


def not_finite(weights: Mapping[str, Any]) -> list[str]:
    """Returns the names of the weights that hold NaN or infinity."""
    return [
        name
        for name, value in weights.items()
        if isinstance(value, Tensor) and value.is_floating_point() and not value.isfinite().all()
    ]
