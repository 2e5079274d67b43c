"""Checks annotated boxes, polygons and RLEs that pycocotools cannot decode, or decodes wrongly."""

from collections.abc import Mapping
from math import isfinite
from sys import float_info
from typing import Any

import pycocotools.mask as mask_utils

from msrcnn_mm.errors import UserError

from .rle import is_complete

_FAR = 10
"""Image sides from the image at which a polygon is refused: pycocotools needs minutes or all
memory for farther ones."""

_MISFIT = 0.5
"""IoU of an annotated box with the box around its mask below which the two contradict each other.
"""


def is_number(value: Any) -> bool:
    """Returns whether a value is a finite number that fits into double precision."""
    return isinstance(value, int | float) and abs(value) <= float_info.max


def is_box(value: Any) -> bool:
    """Returns whether a value is a list of four finite numbers."""
    return isinstance(value, list) and len(value) == 4 and all(map(is_number, value))


def is_rle(value: Any) -> bool:
    """Returns whether a value has the structure of an RLE, its counts aside."""
    if not isinstance(value, dict) or not isinstance(value.get("counts"), list | str):
        return False
    size = value.get("size")
    whole = isinstance(size, list) and all(isinstance(v, int) and v >= 0 for v in size)
    return whole and len(value["size"]) == 2


def check_rle(mask: Any, image: Mapping[str, Any], where: str) -> None:
    """Checks that an annotated RLE is complete and of its image's size.

    Args:
        mask: The ``segmentation``.
        image: The image's entry.
        where: The file and the annotation, for messages.

    Raises:
        UserError: It is not an RLE, of another size than the image, or damaged.
    """
    if not isinstance(mask, dict) or not isinstance(mask.get("counts"), list | str):
        raise UserError(
            f"{where}: its segmentation is neither polygons nor an RLE of COCO's format"
        )
    if mask.get("size") != [image["height"], image["width"]] or not is_rle(mask):
        raise UserError(
            f"{where}: its RLE is of the size (height, width) = {mask.get('size')}, but the image "
            f"{image.get('file_name', image['id'])} of {[image['height'], image['width']]}"
        )
    if not is_complete(mask["counts"], *mask["size"]):
        raise UserError(f"{where}: its RLE is damaged: the runs do not add up to the image")


def is_usable(
    annotation: Mapping[str, Any], image: Mapping[str, Any], where: str, evaluated: bool
) -> bool:
    """Checks that an annotated mask can be decoded.

    Args:
        annotation: With its ``segmentation``.
        image: Its image's entry.
        where: The file and the annotation, for messages.
        evaluated: Whether pycocotools will evaluate by it.

    Returns:
        False for polygons too short to enclose anything.

    Raises:
        UserError: The mask is absent or cannot be decoded.
    """
    mask: Any = annotation.get("segmentation")
    if not mask:
        raise UserError(
            f"{where} (in {image.get('file_name', image['id'])}) has no segmentation, and masks are"
            " needed"
        )
    if not isinstance(mask, list):
        check_rle(mask, image, where)
        return True
    if not all(isinstance(polygon, list) for polygon in mask):
        raise UserError(f"{where}: its segmentation is not a list of polygons [x1, y1, x2, y2, ..]")
    if not all(map(_is_finite, mask)):
        # pycocotools decodes them to arbitrary masks, or asks for all of the memory
        raise UserError(f"{where}: a polygon has coordinates that are not finite numbers")
    reach = _FAR * max(image["height"], image["width"])
    if any(polygon and max(max(polygon), -min(polygon)) > reach for polygon in mask):
        raise UserError(f"{where}: a polygon lies far outside its image")
    if evaluated and len(mask[0]) <= 4:
        raise UserError(f"{where}: its first polygon has no three points to evaluate")
    return any(len(polygon) >= 6 and len(polygon) % 2 == 0 for polygon in mask)


def box_fits(annotation: Mapping[str, Any]) -> bool:
    """Returns whether the annotated box is roughly the box around the mask."""
    mask = annotation["segmentation"]
    if isinstance(mask, list):
        xs = [value for polygon in mask for value in polygon[::2]]
        ys = [value for polygon in mask for value in polygon[1::2]]
        around = (min(xs), min(ys), max(xs), max(ys))
    else:
        rle = mask
        if isinstance(mask["counts"], list):
            rle = mask_utils.frPyObjects(mask, *mask["size"])
        left, top, across, down = mask_utils.toBbox(rle).tolist()
        around = (left, top, left + across, top + down)
    x, y, width, height = annotation["bbox"]
    wide = min(x + width, around[2]) - max(x, around[0])
    high = min(y + height, around[3]) - max(y, around[1])
    overlap = max(wide, 0) * max(high, 0)
    sides = (around[2] - around[0]) * (around[3] - around[1])
    # small ones are rounded to another size, and some tools box crowds in another way
    return bool(overlap >= _MISFIT * (width * height + sides - overlap) or min(width, height) < 4)


def _is_finite(polygon: list[Any]) -> bool:
    """Returns whether a polygon consists of finite numbers, fast enough for all of COCO."""
    try:
        return isfinite(sum(polygon))
    except (TypeError, OverflowError):
        return False
