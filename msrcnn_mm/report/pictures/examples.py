"""Chooses the part of an image that a picture shows, and the masks inside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msrcnn_mm.coco.detections import Detections

_MAX_MASKS = 4  # in a view; more labels of legible size do not fit
_VIEW = 4.5  # side of the view, in sides of the leading mask's box
_MIN_VIEW = 72  # side of the view, in pixels
_NEAR_DUPLICATE = 0.3  # box IoU from which on a second mask would only hide the first

XywhBox = NDArray[np.float64]
"""(4,), x, y, width, height in pixels."""


@dataclass(frozen=True)
class Example:
    """A part of an image with some of its masks.

    Attributes:
        image_id: The image's id.
        why: The reason for which it was chosen.
        view: x1, y1, x2, y2 of the part to show, in whole pixels.
        masks: Positions of the masks to show; the image was chosen for the first.
    """

    image_id: Any
    why: str
    view: tuple[int, int, int, int]
    masks: list[int]


def example_around(
    why: str,
    lead: int,
    others: Sequence[int],
    detections: Detections,
    image: Mapping[str, Any],
) -> Example:
    """Makes a view around a mask, with the masks beside it that do not hide it.

    Args:
        why: The reason for which the mask was chosen.
        lead: The mask's position.
        others: Positions of the masks of this image that may be shown.
        detections: D detections with boxes.
        image: The image's entry in the annotations.
    """
    boxes, scores = detections.boxes, detections.class_scores
    assert boxes is not None
    view = view_around(boxes[lead], (image["height"], image["width"]))
    masks = [lead]
    for mask in sorted(others, key=lambda i: scores[i], reverse=True):
        apart = all(_box_iou(boxes[mask], boxes[shown]) < _NEAR_DUPLICATE for shown in masks)
        if mask != lead and apart and _is_inside(boxes[mask], view) and len(masks) < _MAX_MASKS:
            masks.append(mask)
    return Example(detections.image_ids[lead], why, view, masks)


def view_around(
    box: XywhBox, size: tuple[int, int], sides: float = _VIEW
) -> tuple[int, int, int, int]:
    """Returns a square around a box, moved and cut to fit into the image.

    The square grows with the box, so that small masks stay legible.

    Args:
        box: The box.
        size: Height and width of the image.
        sides: Side of the square, in longer sides of the box.
    """
    x, y, width, height = box.tolist()
    side = max(_MIN_VIEW, round(sides * max(width, height)))
    view_height, view_width = (min(side, extent) for extent in size)
    x1 = round(min(max(0.0, x + width / 2 - view_width / 2), size[1] - view_width))
    y1 = round(min(max(0.0, y + height / 2 - view_height / 2), size[0] - view_height))
    return x1, y1, x1 + view_width, y1 + view_height


def _is_inside(box: XywhBox, view: tuple[int, int, int, int]) -> bool:
    """Returns whether a box leaves the view by one pixel at most."""
    x, y, width, height = box.tolist()
    inside_x = view[0] - 1 <= x and x + width <= view[2] + 1
    return bool(inside_x and view[1] - 1 <= y and y + height <= view[3] + 1)


def _box_iou(a: XywhBox, b: XywhBox) -> float:
    """Returns the IoU of two boxes."""
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    overlap = max(0.0, width) * max(0.0, height)
    return float(overlap / max(a[2] * a[3] + b[2] * b[3] - overlap, 1e-9))
