"""Groups detections by image and class, and computes their mask IoUs image by image.

Shape shorthand: D detections, n of one image, m of the other results' same image.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pycocotools.mask as mask_utils

from msrcnn_mm.coco.detections import Detections, Rle
from msrcnn_mm.errors import UserError
from msrcnn_mm.evaluation.overlaps import Floats, Ints

MOST_PAIRS = 1 << 24
"""Most pairs of masks of an image that are compared at once, which bounds the memory."""

_BLOCK = 24  # masks compared with all that follow


def masks_of(detections: Detections) -> Sequence[Rle]:
    """Returns the D masks.

    Raises:
        UserError: The detections have none.
    """
    if detections.masks is None and len(detections):
        raise UserError("detections have no 'segmentation', which they are re-scored by")
    return detections.masks or []


def by_image(image_ids: Sequence[Any]) -> dict[Any, Ints]:
    """Returns image id, or another key -> the positions of its detections, ascending."""
    codes = numbered(image_ids)
    order = np.argsort(codes, kind="stable")
    cuts = np.flatnonzero(np.diff(codes[order])) + 1
    return {image_ids[where[0]]: where for where in np.split(order, cuts) if len(where)}


def row_blocks(many: int, others: int) -> list[slice]:
    """Divides ``many`` masks into blocks of which each has few pairs with ``others`` masks."""
    rows = max(1, MOST_PAIRS // max(1, others))
    return [slice(start, min(start + rows, many)) for start in range(0, many, rows)]


def numbered(ids: Sequence[Any], numbers: dict[Any, int] | None = None) -> Ints:
    """Returns (D,) numbers of ids, in the order in which they come up first.

    Args:
        ids: D ids.
        numbers: Numbers given before, which are kept; new ones are added to it.
    """
    numbers = {} if numbers is None else numbers
    for one in dict.fromkeys(ids):
        numbers.setdefault(one, len(numbers))
    return np.fromiter(map(numbers.__getitem__, ids), np.int64, len(ids))


def image_numbers(image_ids: Sequence[Any]) -> Ints:
    """Returns (D,) numbers of images, from 0, in the order of their ids: integers before text."""
    distinct = sorted(set(image_ids), key=lambda one: (isinstance(one, str), one))
    return numbered(image_ids, {one: number for number, one in enumerate(distinct)})


def mask_ious(masks: Sequence[Rle], others: Sequence[Rle]) -> Floats:
    """Returns (n, m) IoUs."""
    if not masks or not others:
        return np.zeros((len(masks), len(others)))
    return np.asarray(mask_utils.iou(list(masks), list(others), [0] * len(others)))


def mask_ious_within(masks: Sequence[Rle]) -> Floats:
    """Returns (n, n) IoUs of masks with each other, each pair computed about once."""
    ious = np.zeros((len(masks), len(masks)))
    for i in range(0, len(masks), _BLOCK):
        ious[i : i + _BLOCK, i:] = mask_ious(masks[i : i + _BLOCK], masks[i:])
    return np.maximum(ious, ious.T)
