"""Traces masks as polygons."""

from typing import Any

import cv2
import numpy as np
import pycocotools.mask as mask_utils
from numpy.typing import NDArray

from msrcnn_mm.coco.detections import Rle

_TOLERANCE = 0.5  # pixels, between a mask's outline and its polygon
_FINER = 2  # cells along a pixel, whose centres are then inside it


def polygons_of(rle: Rle) -> tuple[list[list[float]], bool]:
    """Traces the parts of a mask.

    A polygon is at most half a pixel from the outline of its part. Coordinates are COCO's: the
    first pixel spans 0 to 1.

    Args:
        rle: Of one mask.

    Returns:
        ``[x1, y1, x2, y2, ...]`` of each part, and whether a part has holes, which are filled.
    """
    left, top, width, height = (int(side) for side in mask_utils.toBbox(rle))
    mask = mask_utils.decode(rle)[top : top + height, left : left + width]
    cells = np.kron(mask, np.ones((_FINER, _FINER), np.uint8))
    contours, hierarchy = cv2.findContours(cells, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    polygons = []
    for contour, (_, _, _, parent) in zip(
        contours, () if hierarchy is None else hierarchy[0], strict=True
    ):
        if parent < 0:
            polygons.append(_polygon(contour, left, top))
    return polygons, len(polygons) < len(contours)


def _polygon(contour: NDArray[Any], left: int, top: int) -> list[float]:
    """Returns the polygon of a part's contour in cells, simplified where three points are left."""
    simple = cv2.approxPolyDP(contour, _TOLERANCE * _FINER, closed=True)
    points = (simple if len(simple) >= 3 else contour).reshape(-1, 2)
    polygon: list[float] = ((points + 0.5) / _FINER + (left, top)).ravel().tolist()
    return polygon
