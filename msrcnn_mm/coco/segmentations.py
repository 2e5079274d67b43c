"""Checks of one annotated mask: what pycocotools cannot decode, or decodes to something else."""

from math import isfinite
from typing import Any

import pycocotools.mask as mask_utils

from msrcnn_mm.errors import UserError

from .rle import is_complete

_FAR = 10  # image sides from the image; fewer than pycocotools needs minutes or all memory for
_MISFIT = 0.5  # IoU of an annotated box with its mask's own, below which they contradict each other


def is_usable(annotation: dict, image: dict, where: str, evaluated: bool) -> bool:
    """Checks that a mask can be decoded.

    Args:
        annotation: With its ``segmentation``.
        image: Its image's entry.
        where: The file and the annotation, for messages.
        evaluated: Whether pycocotools will evaluate by it.

    Returns:
        False for polygons too short to enclose anything.

    Raises:
        UserError: if it cannot.
    """
    mask: Any = annotation.get("segmentation")
    if not mask:
        raise UserError(
            f"{where} (in {image['file_name']}) has no segmentation, and masks are asked for"
        )
    if isinstance(mask, list):
        if not all(isinstance(polygon, list) for polygon in mask):
            raise UserError(
                f"{where}: its segmentation is no list of polygons [x1, y1, x2, y2, ...]"
            )
        if not all(map(_is_finite, mask)):
            # pycocotools takes them for anything, or asks for all of the memory
            raise UserError(f"{where}: a polygon has coordinates that are no finite numbers")
        reach = _FAR * max(image["height"], image["width"])
        if any(polygon and max(max(polygon), -min(polygon)) > reach for polygon in mask):
            raise UserError(f"{where}: a polygon lies far outside its image")
        if evaluated and len(mask[0]) <= 4:
            raise UserError(f"{where}: its first polygon has no three points to evaluate")
        return any(len(polygon) >= 6 and len(polygon) % 2 == 0 for polygon in mask)
    if not isinstance(mask, dict) or not isinstance(mask.get("counts"), list | str):
        raise UserError(
            f"{where}: its segmentation is neither polygons nor an RLE of COCO's format"
        )
    size, counts = mask.get("size"), mask["counts"]
    if size != [image["height"], image["width"]]:
        raise UserError(
            f"{where}: its RLE is of the size (height, width) = {size}, but the image "
            f"{image['file_name']} of {[image['height'], image['width']]}"
        )
    if not is_complete(counts, *size):
        raise UserError(f"{where}: its RLE is damaged: the runs do not add up to the image")
    return True


def _is_finite(polygon: list) -> bool:
    """Whether a polygon consists of finite numbers; as fast as all of COCO asks for."""
    try:
        return isfinite(sum(polygon))
    except (TypeError, OverflowError):
        return False


def box_fits(annotation: dict) -> bool:
    """Whether the annotated box is about the one around the mask."""
    mask = annotation["segmentation"]
    if isinstance(mask, list):
        xs = [value for polygon in mask for value in polygon[::2]]
        ys = [value for polygon in mask for value in polygon[1::2]]
        around = (min(xs), min(ys), max(xs), max(ys))
    else:
        rle = mask
        if isinstance(mask["counts"], list):
            rle = mask_utils.frPyObjects(mask, *mask["size"])
        left, top, across, down = mask_utils.toBbox(rle)
        around = (left, top, left + across, top + down)
    x, y, width, height = annotation["bbox"]
    wide = min(x + width, around[2]) - max(x, around[0])
    high = min(y + height, around[3]) - max(y, around[1])
    overlap = max(wide, 0) * max(high, 0)
    sides = (around[2] - around[0]) * (around[3] - around[1])
    # small ones are rounded to another size, and crowds are boxed otherwise by some tools
    return overlap >= _MISFIT * (width * height + sides - overlap) or min(width, height) < 4
