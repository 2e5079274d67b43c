"""Checks of a model's config: numbers of classes, thresholds, files of weights."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mmdet.models.dense_heads import RTMDetInsHead
from mmdet.registry import MODELS
from mmengine.model import PretrainedInit

from msrcnn_mm.errors import UserError, first_names

from ..config.walk import class_of, parts, setting_of

_SEGMENTER = "take an instance segmenter, such as Mask R-CNN"

# heads whose number of classes is another: objectness, and classes of stuff
_OTHER_COUNTS = ("rpn_head", "semantic_head")


def check_heads(model: Mapping, classes: Sequence[str]) -> None:
    """Checks that every head that classifies has as many classes as the data set.

    Args:
        model: The model's config.
        classes: The data set's class names.

    Raises:
        UserError: A head does not; the message names each.
    """
    wrong = [
        f"{path}.num_classes={count}"
        for path, count in _class_counts(model)
        if count != len(classes)
    ]
    if wrong:
        raise UserError(
            f"{', '.join(wrong)}, but the data set has {len(classes)} "
            f"class{'es' if len(classes) > 1 else ''} ({first_names(classes, 10, repr)}): "
            "set num_classes=len(classes) in every head"
        )


def _class_counts(model: Mapping) -> Iterator[tuple[str, int]]:
    """Yields every head of a model config with its number of classes, be it the default."""
    for path, part in parts(model, "model"):
        name = path.rpartition(".")[2].partition("[")[0]
        if (
            (name.endswith("_head") or name == "scorer")
            and name not in _OTHER_COUNTS
            and not setting_of(part, "class_agnostic")
        ):
            count = setting_of(part, "num_classes")
            if count is not None:
                yield path, count


def check_thresholds(model: Mapping) -> None:
    """Checks that a class score can exceed every ``score_thr`` of a model.

    Raises:
        UserError: One is no number below 1.
    """
    for path, part in parts(model, "model"):
        threshold = part.get("score_thr", 0)
        number = isinstance(threshold, int | float) and not isinstance(threshold, bool)
        if not (number and threshold < 1):
            raise UserError(f"{path}.score_thr must be a number below 1, not {threshold!r}")


def check_masks(model: Mapping) -> None:
    """Checks that a detector has a head for masks.

    Raises:
        UserError: It has none: no ``mask_head`` in its ``roi_head``, or beside a ``bbox_head`` of
            MMDetection. Of other detectors nothing is known before they predict.
    """
    roi_head = model.get("roi_head")
    if roi_head and not roi_head.get("mask_head"):
        raise UserError(f"the model predicts no masks, its roi_head has no mask_head: {_SEGMENTER}")
    if roi_head or model.get("mask_head"):
        return
    head = class_of(model.get("bbox_head"), MODELS)
    if (
        head is not None
        and head.__module__.startswith("mmdet.")
        and not issubclass(head, RTMDetInsHead)  # the one that predicts masks itself
    ):
        raise UserError(
            f"the model predicts no masks, its bbox_head is {head.__name__}: {_SEGMENTER}"
        )


def check_pretrained(model: Mapping) -> None:
    """Checks that the files of weights exist that the model starts from.

    Raises:
        UserError: One does not.
    """
    for path, part in parts(model, "model"):
        pretrained = part.get("type") in ("Pretrained", PretrainedInit)
        checkpoint = part.get("checkpoint") if pretrained else None
        file = checkpoint if isinstance(checkpoint, str) and "://" not in checkpoint else None
        if file is not None and not Path(file).expanduser().is_file():
            raise UserError(f"{path}.checkpoint: no such file: {checkpoint}")
