"""Computes Boundary IoU (Cheng et al., "Boundary IoU", CVPR 2021).

Mask IoU of a large object tolerates an outline that is off by many pixels. Boundary IoU compares
only the pixels of each mask that lie within a distance of its outline: 2% of the image's diagonal.
As in the authors' COCO evaluation, a pair counts by the smaller of its two IoUs, because the
boundary of a mask inside a ring does not depend on what fills the ring, and a crowd region counts
by mask IoU.
"""

from dataclasses import dataclass, replace

import numpy as np
import pycocotools.mask as mask_utils
from pycocotools.coco import COCO

from msrcnn_mm.coco.detections import Detections, Rle
from msrcnn_mm.processes import progress

from .overlaps import Bools, Overlaps

DILATION = 0.02
"""Width of a boundary, in diagonals of the image."""


@dataclass(frozen=True)
class Boundary:
    """Pixels of a mask near its outline, in the mask's box.

    Attributes:
        pixels: (H, W), bool.
        x: Column of the box's left edge.
        y: Row of its upper edge.
    """

    pixels: Bools
    x: int
    y: int

    @classmethod
    def of(cls, rle: Rle) -> "Boundary":
        """Returns the boundary of a mask; the image's edge is outline where it cuts the mask.

        Args:
            rle: Of a mask with at least one pixel.
        """
        height, width = rle["size"]
        reach = max(1, round(DILATION * float(np.sqrt(height**2 + width**2))))
        x, y, w, h = (int(side) for side in mask_utils.toBbox(rle))
        mask = mask_utils.decode(rle)[y : y + h, x : x + w].astype(bool)
        return cls(mask & ~eroded(mask, reach), x, y)

    def iou(self, other: "Boundary") -> float:
        """Returns pixels in both / pixels in either, in [0, 1]."""
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


def eroded(mask: Bools, reach: int) -> Bools:
    """Returns the pixels of a mask whose square neighbourhood lies in the mask.

    Args:
        mask: (H, W).
        reach: Half the side of the square in pixels, its centre left out.

    Returns:
        (H, W); pixels outside the array belong to no mask.
    """
    inner = mask
    for _ in range(2):  # rows, then columns
        covered = 1  # pixels that each value of inner stands for
        while covered < 2 * reach + 1:
            step = min(covered, 2 * reach + 1 - covered)
            inner = inner[step:] & inner[:-step]
            covered += step
        inner = inner.T
    whole = np.zeros_like(mask)
    if inner.size:
        whole[reach:-reach, reach:-reach] = inner
    return whole


def boundary_overlaps(
    overlaps: Overlaps, coco: COCO, detections: Detections, least: float
) -> Overlaps:
    """Returns the overlaps, each IoU replaced by Boundary IoU where that is smaller.

    Args:
        overlaps: Of masks.
        coco: The annotations.
        detections: Those of ``overlaps``.
        least: Pairs with a mask IoU below this are left out: they count at no threshold.
    """
    masks = detections.masks or []
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
            of_instances.clear()  # pairs are sorted by class and image
        if d != detection:
            detection = d
            mine = Boundary.of(masks[overlaps.detections[d]])
        if g not in of_instances:
            of_instances[g] = Boundary.of(coco.annToRLE(overlaps.instances[g]))
        ious[index] = min(ious[index], mine.iou(of_instances[g]))
    return replace(overlaps, pairs=pairs, ious=ious)
