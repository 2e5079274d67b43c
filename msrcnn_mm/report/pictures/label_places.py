"""Places labels in a picture."""

from collections.abc import Sequence

import numpy as np

Box = tuple[float, float, float, float]
"""x1, y1, x2, y2."""


def best_place(
    size: tuple[float, float],
    own: Box,
    boxes: Sequence[Box],
    placed: Sequence[Box],
    limits: tuple[float, float],
) -> tuple[float, float]:
    """Returns the place of a label near its mask, off other labels and masks.

    Args:
        size: Width and height of the label, in the view's pixels.
        own: Box of the labelled mask.
        boxes: Boxes of all masks.
        placed: Boxes of the labels that have a place.
        limits: Width and height of the view.

    Returns:
        x, y of the label's centre.
    """
    middle = np.array([(own[0] + own[2]) / 2, (own[1] + own[3]) / 2])
    reach = max(limits)

    def cost(place: tuple[float, float]) -> float:
        here = around(*place, size)
        on_labels = sum(overlap(here, other) for other in placed) / _area(here)
        on_masks = sum(overlap(here, box) / max(_area(box), 1.0) for box in boxes)
        away = float(np.linalg.norm(np.array(place) - middle)) / reach
        return 100 * on_labels + 2 * on_masks + 2 * away

    xs = np.linspace(size[0] / 2, max(limits[0] - size[0] / 2, size[0] / 2), 25)
    ys = np.linspace(size[1] / 2, max(limits[1] - size[1] / 2, size[1] / 2), 25)
    return min(((float(x), float(y)) for x in xs for y in ys), key=cost)


def around(x: float, y: float, size: tuple[float, float]) -> Box:
    """Returns the box of a width and height around a centre."""
    return x - size[0] / 2, y - size[1] / 2, x + size[0] / 2, y + size[1] / 2


def overlap(a: Box, b: Box) -> float:
    """Returns the area that two boxes share."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return max(0.0, width) * max(0.0, height)


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
