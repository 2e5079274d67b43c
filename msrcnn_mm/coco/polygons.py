"""Outlines masks as polygons, as annotation tools edit them.

Shape shorthand: P points.
"""

from typing import Any

import numpy as np
import pycocotools.mask as mask_utils
from contourpy import FillType, contour_generator
from numpy.typing import NDArray

from .detections import Rle

Points = NDArray[np.float64]
"""(P, 2), x and y in pixels; the centre of the first pixel is at 0.5, 0.5."""

TOLERANCE = 0.35
"""Greatest distance in pixels of an outline from its polygon.

Outlines pass the centres of pixels at 0.354 or more, so each centre stays on its side.
"""


def outlines(rle: Rle) -> list[list[float]]:
    """Returns the outlines of a mask's parts as polygons of COCO's format.

    Polygons cannot say that a part is a hole. So a hole is joined with the outline of its part by a
    cut of no width, and its points run the other way round, which leaves it empty by every rule of
    filling.

    Args:
        rle: A compressed RLE.

    Returns:
        [x1, y1, x2, y2, ...] of each part, the largest first; none of an empty mask.
    """
    return [_flat(_joined(outer, holes)) for outer, *holes in _parts(rle)]


def rings(rle: Rle) -> list[list[float]]:
    """Returns the outlines of a mask's parts and of their holes, for the even-odd rule of filling.

    Args:
        rle: A compressed RLE.

    Returns:
        [x1, y1, x2, y2, ...] of each; none of an empty mask.
    """
    return [_flat(ring) for part in _parts(rle) for ring in part]


def _flat(points: Points) -> list[float]:
    flat: list[float] = points.round(2).ravel().tolist()
    return flat


def _parts(rle: Rle) -> list[list[Points]]:
    """Returns the outline and the holes of each part, the largest part first.

    Neighbouring points are dropped as long as the outline stays within :data:`TOLERANCE` (Douglas
    and Peucker, Cartographica 1973).
    """
    left, top, width, height = mask_utils.toBbox(rle).astype(int)
    mask: Any = mask_utils.decode(rle)[top : top + height, left : left + width]
    if not mask.any():
        return []
    generator = contour_generator(z=np.pad(mask, 1).astype(float), fill_type=FillType.OuterOffset)
    parts = []
    for points, offsets in zip(*generator.filled(0.5, 2.0), strict=True):
        # the padding shifts by a pixel, the centres of pixels by half of one
        closed = np.split(np.add(points, (left - 0.5, top - 0.5)), offsets[1:-1])
        parts.append([_simplified(ring) for ring in closed])
    return sorted(parts, key=lambda part: _area(part[0]), reverse=True)


def _area(points: Points) -> float:
    x, y = points.T
    return abs(float(x @ np.roll(y, 1) - y @ np.roll(x, 1))) / 2


def _joined(outer: Points, holes: list[Points]) -> Points:
    """Returns an outline with its holes, each joined where it is nearest, near ones first."""
    while holes:
        gaps = [np.hypot(*(outer[:, None] - hole).transpose(2, 0, 1)) for hole in holes]
        nearest = min(range(len(holes)), key=lambda index: float(gaps[index].min()))
        gap, hole = gaps[nearest], holes.pop(nearest)
        at, start = np.unravel_index(gap.argmin(), gap.shape)
        around = np.roll(hole, -int(start), axis=0)
        outer = np.concatenate([outer[: at + 1], around, around[:1], outer[at:]])
    return outer


def _simplified(ring: Points) -> Points:
    """Returns a ring, whose first point comes again at its end, with fewer points and without it.

    At least three are left.
    """
    ring = ring[:-1]
    before, after = ring - np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0) - ring
    ring = ring[before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]]  # no corner
    closed = np.concatenate([ring, ring[:1]])
    far = int(np.square(closed - closed[0]).sum(axis=1).argmax())
    kept = {0, far}
    spans = [(0, far), (far, len(ring))]
    while spans:
        start, end = spans.pop()
        distances = _distances(closed[start + 1 : end], closed[start], closed[end])
        if len(distances) and distances.max() > TOLERANCE:
            middle = start + 1 + int(distances.argmax())
            kept.add(middle)
            spans += [(start, middle), (middle, end)]
    if len(kept) < 3:
        kept.add(int(_distances(ring, ring[0], ring[far]).argmax()))
    return ring[sorted(kept)]


def _distances(points: Points, start: Points, end: Points) -> Points:
    """Returns (P,) distances of points from the line through two others."""
    x, y = end - start
    distances: Points = np.abs((points - start) @ (-y, x)) / np.hypot(x, y)
    return distances
