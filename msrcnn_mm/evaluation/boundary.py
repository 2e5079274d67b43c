"""Boundary IoU (Cheng et al., "Boundary IoU", CVPR 2021): does the outline fit, too?

Mask IoU of a large object forgives an outline that is off by many pixels. Boundary IoU compares
only the pixels of each mask that lie within a distance of its outline: 2% of the image's diagonal.
As in the authors' COCO evaluation, a pair counts by the smaller of its two IoUs, because the
boundary of a mask inside a ring says nothing of what fills it, and a crowd region by mask IoU.
"""

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import pycocotools.mask as mask_utils
from numpy.typing import NDArray
from pycocotools.coco import COCO

from msrcnn_mm.coco.detections import Detections

from .overlaps import Overlaps, progress

DILATION = 0.02
"""Width of a boundary, in diagonals of the image."""


@dataclass(frozen=True)
class Boundary:
    """The pixels of a mask that are near its outline, in the mask's box.

    Attributes:
        pixels: (H, W), bool.
        x: Column of the box's left edge.
        y: Row of its upper edge.
    """

    pixels: NDArray[np.bool_]
    x: int
    y: int

    @classmethod
    def of(cls, rle: dict[str, Any]) -> "Boundary":
        """The boundary of a mask; where the image cuts the mask is outline, too.

        Args:
            rle: Of a mask with at least one pixel.
        """
        height, width = rle["size"]
        reach = max(1, round(DILATION * float(np.sqrt(height**2 + width**2))))
        x, y, w, h = (int(side) for side in mask_utils.toBbox(rle))
        mask = np.ascontiguousarray(mask_utils.decode(rle)[y : y + h, x : x + w])
        kernel = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
        inner = cv2.erode(mask, kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0)
        return cls((mask - inner).astype(bool), x, y)

    def iou(self, other: "Boundary") -> float:
        """Pixels in both by pixels in either, in [0, 1]."""
        left, top = max(self.x, other.x), max(self.y, other.y)
        right = min(self.x + self.pixels.shape[1], other.x + other.pixels.shape[1])
        bottom = min(self.y + self.pixels.shape[0], other.y + other.pixels.shape[0])
        if right <= left or bottom <= top:
            return 0.0
        parts = [
            b.pixels[top - b.y : bottom - b.y, left - b.x : right - b.x] for b in (self, other)
        ]
        both = np.count_nonzero(parts[0] & parts[1])
        return both / (np.count_nonzero(self.pixels) + np.count_nonzero(other.pixels) - both)


def boundary_overlaps(
    overlaps: Overlaps, coco: COCO, detections: Detections, least: float
) -> Overlaps:
    """The same overlaps, each IoU cut down to Boundary IoU where that is smaller.

    Args:
        overlaps: Of masks.
        coco: The annotations.
        detections: What ``overlaps`` was made of.
        least: Pairs with a mask IoU below this are left out: they count at no threshold.
    """
    assert detections.masks is not None or not len(detections)
    kept = overlaps.ious >= min(least, 1 - 1e-10)
    pairs, ious = overlaps.pairs[kept], overlaps.ious[kept]
    of_instances: dict[int, Boundary] = {}
    group = detection = -1
    for index in progress(range(len(pairs)), "boundary IoUs"):
        d, g = pairs[index].tolist()
        if overlaps.crowds[g]:
            continue
        if overlaps.groups[d] != group:
            group = overlaps.groups[d]
            of_instances.clear()  # those of other images are not met again
        if d != detection:
            detection = d
            mine = Boundary.of(detections.masks[overlaps.detections[d]])
        if g not in of_instances:
            of_instances[g] = Boundary.of(coco.annToRLE(overlaps.instances[g]))
        ious[index] = min(ious[index], mine.iou(of_instances[g]))
    return replace(overlaps, pairs=pairs, ious=ious)
