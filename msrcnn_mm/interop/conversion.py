"""What the converters of other codebases' checkpoints have in common.

A format is a module with a :class:`Format`: how to know its checkpoints, and ours that it could
hold, by the names of their weights; and the way there and back. `tools/convert_checkpoint.py` asks
each in turn.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from msrcnn_mm.errors import CheckpointError
from msrcnn_mm.models.weights import WeightMismatch, not_finite

Names = Collection[str]


@dataclass(frozen=True)
class Conversion:
    """A converted checkpoint and what to tell of it."""

    checkpoint: dict[str, Any]
    found: str  # what was recognised
    advice: str  # what to use the new one with
    left_out: tuple[str, ...]  # keys of the old one that the new one has no place for
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Format:
    """A codebase's checkpoints.

    Its functions raise :class:`CheckpointError`, without the file's name, where weights are
    missing, are too many or have another shape.
    """

    name: str
    ours: str  # the kind of MMDetection's that it could hold
    are_theirs: Callable[[Names], bool]
    are_ours: Callable[[Names], bool]
    to_ours: Callable[[Mapping], Conversion]
    to_theirs: Callable[[Mapping], Conversion]


def weights_of(checkpoint: Mapping, key: str) -> tuple[dict[str, Any], str]:
    """The weights in a checkpoint, and the prefix that a data-parallel wrapper gave their names.

    Args:
        checkpoint: weights under a key, or nothing but weights.
        key: that key.

    Returns:
        The weights without the prefix; the prefix, ``"module."`` or nothing.
    """
    inner = checkpoint.get(key)
    weights = dict(inner) if isinstance(inner, Mapping) else dict(checkpoint)
    prefix = "module."
    if not weights or not all(str(name).startswith(prefix) for name in weights):
        prefix = ""
    return {str(name).removeprefix(prefix): value for name, value in weights.items()}, prefix


def require_shapes(found: Mapping[str, Any], wanted: Mapping[str, tuple[int, ...]]) -> None:
    """Makes sure that weights are exactly those wanted.

    Raises:
        CheckpointError: naming those that are missing, of another shape or too many.
    """
    reshaped = [
        f"{name}: {_shape(found[name])} where {shape} is needed"
        for name, shape in wanted.items()
        if name in found and _shape(found[name]) != shape
    ]
    missing = [name for name in wanted if name not in found]
    unknown = [name for name in found if name not in wanted]
    if reshaped or missing or unknown:
        raise CheckpointError(str(WeightMismatch(0, missing, unknown, reshaped)))


def require_bottlenecks(weights: Mapping[str, Any]) -> None:
    """Makes sure that a ResNet of ours is none of those with blocks of two convolutions.

    Raises:
        CheckpointError: if it is.
    """
    if "backbone.layer1.0.conv2.weight" in weights and (
        "backbone.layer1.0.conv3.weight" not in weights
    ):
        raise CheckpointError("its backbone is a ResNet-18 or -34; ResNet-50 and -101 have a place")


def require_kept(what: str, kept: Mapping, wanted: Mapping[str, tuple[int, ...]]) -> None:
    """Makes sure that what a conversion kept beside the weights is what it keeps.

    Raises:
        CheckpointError: naming what it is not.
    """
    try:
        require_shapes({str(name): value for name, value in kept.items()}, wanted)
    except CheckpointError as error:
        raise CheckpointError(f"the {what} kept beside the weights: {error}") from error


def mapping_in(container: Mapping, key: str) -> Mapping:
    """The mapping under a key, or an empty one."""
    inner = container.get(key)
    return inner if isinstance(inner, Mapping) else {}


def keys_left_out(checkpoint: Mapping, weights: str, kept: str) -> tuple[str, ...]:
    """Keys beside the weights that are not used; none where there are weights alone."""
    if weights not in checkpoint:
        return ()
    return tuple(str(key) for key in checkpoint if key not in (weights, kept))


def _shape(value: Any) -> tuple[int, ...] | None:
    return tuple(value.shape) if isinstance(value, Tensor) else None


def convert(checkpoint: Mapping, formats: Sequence[Format]) -> Conversion:
    """Converts a checkpoint of one of the formats to ours, or one of ours to its format.

    Raises:
        CheckpointError: if it is neither, or lacks what it should have; without the file's name.
    """
    theirs, _ = weights_of(checkpoint, "model")
    ours, _ = weights_of(checkpoint, "state_dict")
    for format_ in formats:
        if format_.are_theirs(theirs):
            _require_finite(theirs)
            return _of_kind(f"a checkpoint of {format_.name}", format_.to_ours, checkpoint)
        if format_.are_ours(ours):
            _require_finite(ours)
            return _of_kind(f"one of ours for {format_.name}", format_.to_theirs, checkpoint)
    names = list(theirs if isinstance(checkpoint.get("model"), Mapping) else ours)
    known = " or ".join(format_.name for format_ in formats)
    kinds = " or ".join(format_.ours for format_ in formats)
    some = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    raise CheckpointError(
        f"is neither a checkpoint of {known} nor {kinds} of MMDetection "
        f"(it holds {some or 'nothing'})"
    )


def _require_finite(weights: Mapping[str, Any]) -> None:
    spoilt = not_finite(weights)
    if spoilt:
        raise CheckpointError(
            f"{len(spoilt)} weights are not finite numbers ({spoilt[0]} for one): the training "
            "diverged, or the file is damaged"
        )


def _of_kind(kind: str, converter: Callable[[Mapping], Conversion], old: Mapping) -> Conversion:
    """Converts; says of a misfit what the checkpoint was taken for."""
    try:
        return converter(old)
    except CheckpointError as error:
        raise CheckpointError(f"looks like {kind}, but has other weights: {error}") from error
