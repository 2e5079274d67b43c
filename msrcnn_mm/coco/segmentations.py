"""Reads the ``segmentation`` of annotations and detections: polygons and run-length encodings."""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

import pycocotools.mask as mask_utils

from .json_values import whole

Segmentation = list[list[float]] | dict[str, Any]
"""Polygons [[x1, y1, x2, y2, ...], ...], or an RLE ``{size, counts}``."""

_FAR = 10
"""Image sides from the image at which a polygon is refused: pycocotools needs minutes or all
memory for farther ones."""

LONGEST = 2**31 - 1
"""Pixels of the longest side of an image: pycocotools has integers of 32 bits."""

MOST_PIXELS = 2**32 - 1
"""Pixels of the largest image: pycocotools counts no further."""

_FARTHEST = 2**31 // 5 - 1
"""Pixels; pycocotools counts in fifths of them, with 32 bits."""

_LONGEST = 10_000_000
"""Pixels of a polygon's outline. pycocotools needs 100 bytes for each, and crashes without them."""

_FORM = "write polygons [[x1, y1, x2, y2, ...], ...] or an RLE {size, counts}"


class SegmentationError(ValueError):
    """A segmentation that cannot be read; the text follows ``segmentation``."""


def read_segmentation(value: Any, height: int, width: int) -> tuple[Segmentation, int]:
    """Reads polygons or an RLE of an image.

    A flat list [x1, y1, x2, y2, ...] is one polygon. Polygons of fewer than three points, which
    enclose nothing, are left out if others remain.

    Args:
        value: The ``segmentation``.
        height: The image's height, pixels.
        width: The image's width, pixels.

    Returns:
        The polygons, or the RLE, whose runs :func:`.rle.measure` checks; and how many polygons
        are left out.

    Raises:
        SegmentationError: It cannot be read.
    """
    if value is None or value == [] or value == {}:
        raise SegmentationError(
            f"is {'null' if value is None else value}, without an outline: give one (objects drawn "
            "as rectangles are exported so) or remove the entry"
        )
    if isinstance(value, dict):
        return _read_rle(value, height, width), 0
    if not isinstance(value, list):
        raise SegmentationError(f"is {value!r:.40}: {_FORM}")
    if all(isinstance(point, list) and len(point) == 2 for point in value) and len(value) > 2:
        raise SegmentationError(f"has points as lists, {value!r:.40}: {_FORM}")
    polygons = [value] if isinstance(value[0], int | float) else value
    kept = []
    reach = min(_FAR * max(height, width), _FARTHEST)
    for polygon in polygons:
        if isinstance(polygon, dict):
            raise SegmentationError("has an RLE in a list: write the RLE itself, {size, counts}")
        if not isinstance(polygon, list):
            raise SegmentationError(f"has a polygon {polygon!r:.40}: {_FORM}")
        if polygon and isinstance(polygon[0], list):
            raise SegmentationError(f"has points as lists, {polygon!r:.40}: {_FORM}")
        if not _is_finite(polygon):
            raise SegmentationError(
                f"has a polygon with coordinates that are not finite numbers, {polygon!r:.40}: "
                f"{_FORM}"
            )
        if len(polygon) % 2:
            raise SegmentationError(
                f"has a polygon of {len(polygon)} numbers, and x and y come in pairs: correct it"
            )
        if len(polygon) < 6:
            continue
        high, low = max(polygon), min(polygon)
        if max(high, -low) > reach:
            raise SegmentationError("has a polygon far outside the image: give pixels")
        if len(polygon) * (high - low) > _LONGEST and _outline(polygon) > _LONGEST:
            raise SegmentationError(
                f"has a polygon whose outline is longer than {_LONGEST} pixels: simplify it, or "
                "cut the image into tiles"
            )
        kept.append(polygon)
    if not kept:
        raise SegmentationError(
            "has no polygon of three points: give an outline or remove the entry"
        )
    return kept, len(polygons) - len(kept)


def _read_rle(value: Mapping[str, Any], height: int, width: int) -> dict[str, Any]:
    counts, size = value.get("counts"), value.get("size")
    if not isinstance(counts, list | str):
        raise SegmentationError(f"has the keys {sorted(map(str, value))}: {_FORM}")
    if size is None:
        raise SegmentationError(f"is an RLE without size: add [{height}, {width}]")
    sides = [whole(side) for side in size] if isinstance(size, list) else size
    if sides != [height, width]:
        raise SegmentationError(
            f"is an RLE of the size (height, width) = {size}, and the image has {[height, width]}"
        )
    if isinstance(counts, list):
        counts = [whole(run) for run in counts]
    return {"size": sides, "counts": counts}


def is_rle(value: Any) -> bool:
    """Returns whether a value has the structure of an RLE, its counts aside."""
    if not isinstance(value, dict) or not isinstance(value.get("counts"), list | str):
        return False
    size = value.get("size")
    sides = [whole(side) for side in size] if isinstance(size, list) else []
    return len(sides) == 2 and all(isinstance(side, int) and 0 <= side <= LONGEST for side in sides)


def as_rle(segmentation: Segmentation, height: int, width: int) -> dict[str, Any]:
    """Returns the compressed RLE of a segmentation, ``counts`` as text; polygons are joined.

    Args:
        segmentation: As from :func:`read_segmentation`; an RLE is complete.
        height: The image's height, pixels.
        width: The image's width, pixels.
    """
    if isinstance(segmentation, dict) and isinstance(segmentation["counts"], str):
        return segmentation
    rle = mask_utils.frPyObjects(segmentation, height, width)
    if isinstance(rle, list):
        rle = mask_utils.merge(rle)
    return {"size": [height, width], "counts": rle["counts"].decode()}


def _outline(polygon: Sequence[float]) -> float:
    """Returns the length of a closed polygon's outline in pixels, diagonal steps as one."""
    points = [*zip(polygon[::2], polygon[1::2], strict=True)]
    ends = [*points[1:], points[0]]
    return sum(max(abs(x - u), abs(y - v)) for (x, y), (u, v) in zip(points, ends, strict=True))


def _is_finite(polygon: Sequence[Any]) -> bool:
    """Returns whether a polygon consists of finite numbers, fast enough for all of COCO."""
    try:
        return isfinite(sum(polygon))
    except (TypeError, OverflowError):
        return False
