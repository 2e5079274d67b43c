"""Converts checkpoints of other codebases to MMDetection's and back.

Each codebase has a module with a :class:`Format`. :func:`convert` recognises the format and the
direction by the names of the weights.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from msrcnn_mm.errors import CheckpointError, first_names
from msrcnn_mm.models.weights import WeightMismatch, not_finite


@dataclass(frozen=True)
class Conversion:
    """A converted checkpoint and messages about it.

    Attributes:
        checkpoint: the new checkpoint.
        found: the network that was recognised.
        advice: the config to use the new checkpoint with.
        left_out: keys of the old checkpoint that the new one does not have.
        warnings: reasons why the new checkpoint may give other results.
    """

    checkpoint: dict[str, Any]
    found: str
    advice: str
    left_out: tuple[str, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Format:
    """A codebase's checkpoints.

    Attributes:
        name: the codebase.
        ours: the kind of MMDetection's networks that it can represent.
        their_prefixes: prefixes of weights' names by which its checkpoints are recognised.
        our_prefixes: prefixes by which MMDetection's checkpoints of this kind are recognised.
        to_ours: converts its checkpoints. Raises :class:`CheckpointError`, without the file's name,
            if weights are missing, unexpected or of another shape.
        to_theirs: converts MMDetection's checkpoints. Raises the same.
    """

    name: str
    ours: str
    their_prefixes: tuple[str, ...]
    our_prefixes: tuple[str, ...]
    to_ours: Callable[[Mapping], Conversion]
    to_theirs: Callable[[Mapping], Conversion]


def convert(checkpoint: Mapping, formats: Sequence[Format]) -> Conversion:
    """Converts a checkpoint of one of the formats to MMDetection's, or one of MMDetection's back.

    Raises:
        CheckpointError: if it is neither, has weights that are not finite, or lacks what the format
            requires. The message does not name the file.
    """
    theirs, _ = weights_of(checkpoint, "model")
    ours, _ = weights_of(checkpoint, "state_dict")
    for format_ in formats:
        if _have_prefixes(theirs, format_.their_prefixes):
            _require_finite(theirs)
            return _convert_as(f"a checkpoint of {format_.name}", format_.to_ours, checkpoint)
        if _have_prefixes(ours, format_.our_prefixes):
            _require_finite(ours)
            return _convert_as(f"one of ours for {format_.name}", format_.to_theirs, checkpoint)
    names = list(theirs if isinstance(checkpoint.get("model"), Mapping) else ours)
    known = " or ".join(format_.name for format_ in formats)
    kinds = " or ".join(format_.ours for format_ in formats)
    raise CheckpointError(
        f"is neither a checkpoint of {known} nor {kinds} of MMDetection "
        f"(it holds {first_names(names) if names else 'nothing'})"
    )


def _have_prefixes(names: Collection[str], prefixes: tuple[str, ...]) -> bool:
    return all(any(name.startswith(prefix) for name in names) for prefix in prefixes)


def _require_finite(weights: Mapping[str, Any]) -> None:
    spoilt = not_finite(weights)
    if spoilt:
        raise CheckpointError(
            f"{len(spoilt)} weights are not finite numbers ({spoilt[0]} for one): the training "
            "diverged, or the file is damaged"
        )


def _convert_as(kind: str, converter: Callable[[Mapping], Conversion], old: Mapping) -> Conversion:
    """Converts a checkpoint recognised as ``kind``, which errors name."""
    try:
        return converter(old)
    except CheckpointError as error:
        raise CheckpointError(f"looks like {kind}, but has other weights: {error}") from error


# ---- what converters share


def weights_of(checkpoint: Mapping, key: str) -> tuple[dict[str, Any], str]:
    """Returns a checkpoint's weights by name, without a data-parallel wrapper's prefix.

    Args:
        checkpoint: weights under ``key``, or weights only.
        key: where the weights may be.

    Returns:
        The weights, and the prefix removed from their names: ``"module."`` or none.
    """
    inner = checkpoint.get(key)
    weights = dict(inner) if isinstance(inner, Mapping) else dict(checkpoint)
    prefix = "module."
    if not weights or not all(str(name).startswith(prefix) for name in weights):
        prefix = ""
    return {str(name).removeprefix(prefix): value for name, value in weights.items()}, prefix


def mapping_in(container: Mapping, key: str) -> Mapping:
    """Returns the mapping under a key, or an empty one."""
    inner = container.get(key)
    return inner if isinstance(inner, Mapping) else {}


def keys_left_out(checkpoint: Mapping, weights: str, kept: str) -> tuple[str, ...]:
    """Returns the keys that a conversion does not use; none if there are only weights."""
    if weights not in checkpoint:
        return ()
    return tuple(str(key) for key in checkpoint if key not in (weights, kept))


def require_shapes(found: Mapping[str, Any], wanted: Mapping[str, tuple[int, ...]]) -> None:
    """Raises ``CheckpointError`` if weights do not have exactly the wanted names and shapes."""
    reshaped = [
        f"{name}: {_shape(found[name])} where {shape} is needed"
        for name, shape in wanted.items()
        if name in found and _shape(found[name]) != shape
    ]
    missing = [name for name in wanted if name not in found]
    unknown = [name for name in found if name not in wanted]
    if reshaped or missing or unknown:
        raise CheckpointError(str(WeightMismatch(0, missing, unknown, reshaped)))


def _shape(value: Any) -> tuple[int, ...] | None:
    return tuple(value.shape) if isinstance(value, Tensor) else None


def require_kept(what: str, kept: Mapping, wanted: Mapping[str, tuple[int, ...]]) -> None:
    """Raises ``CheckpointError`` if what an earlier conversion kept is not what is wanted."""
    try:
        require_shapes({str(name): value for name, value in kept.items()}, wanted)
    except CheckpointError as error:
        raise CheckpointError(f"the {what} kept beside the weights: {error}") from error


def require_bottlenecks(weights: Mapping[str, Any]) -> None:
    """Raises ``CheckpointError`` if MMDetection's backbone is a ResNet-18 or ResNet-34."""
    if "backbone.layer1.0.conv2.weight" in weights and (
        "backbone.layer1.0.conv3.weight" not in weights
    ):
        raise CheckpointError(
            "its backbone is a ResNet-18 or -34; only ResNet-50 and -101 can be converted"
        )


def class_options(classes: int, heads: Sequence[str]) -> str:
    """Returns advice to set another number of classes than COCO's 80 in the config's heads."""
    if classes == 80:
        return ""
    options = " ".join(f"model.{head}.num_classes={classes}" for head in heads)
    return f", your data's classes in the order of the training, and --cfg-options {options}"


def convention_warnings(checkpoint: Mapping, required: Sequence[str]) -> tuple[str, ...]:
    """Warns if a checkpoint's own config lacks names that the other codebase's convention needs."""
    config = str(mapping_in(checkpoint, "meta").get("cfg") or "")
    missing = [name for name in required if name not in config]
    if not config or not missing:
        return ()
    return (
        f"it was trained with a config without {' and '.join(missing)}: the authors' code will "
        "compute other features, boxes or masks from its weights",
    )
