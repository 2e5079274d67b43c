"""Adds foreground probabilities and mask statistics to an image's detections.

Shape shorthand: D detections, h x w cells of a map of the image, n cells of the masks' boxes.
"""

import math

from mmengine.structures import InstanceData
from torch import Tensor

from ..scorers.box_cells import BoxCells, box_cells, tight_boxes
from ..scorers.mask_statistics import mask_statistics
from ..scorers.maskness import mean_over_cells


def add_fields_of_maps(
    results: InstanceData, probs: Tensor, threshold: float, stride: int, meta: dict
) -> None:
    """Adds ``foreground_probs`` and ``mask_statistics``, given maps of the whole image.

    A mask's box is the one around its foreground in the map. Cells of padding are left out.

    Args:
        results: D detections; changed in place.
        probs: (D, h, w) in [0, 1].
        threshold: probability above which a cell is foreground.
        stride: side of a cell in pixels of the network's input.
        meta: the image's ``img_shape``.
    """
    height, width = (math.ceil(side / stride) for side in meta["img_shape"][:2])
    probs = probs[:, :height, :width]
    foreground = probs > threshold
    cells = box_cells(tight_boxes(foreground))
    add_fields_of_cells(results, probs[cells.at], foreground[cells.at], cells)


def add_fields_of_cells(
    results: InstanceData, probs: Tensor, foreground: Tensor, cells: BoxCells
) -> None:
    """Adds ``foreground_probs`` and ``mask_statistics``, given the cells of the masks' boxes.

    Args:
        results: D detections; changed in place.
        probs: (n,) in [0, 1].
        foreground: (n,) bool.
        cells: the cells of D boxes, outside of which nothing is foreground.
    """
    results.foreground_probs = mean_over_cells(probs, foreground, cells.lengths)
    results.mask_statistics = mask_statistics(probs, foreground, cells)


def add_empty_fields(results: InstanceData) -> None:
    """Adds ``foreground_probs`` and ``mask_statistics`` of no detection to results without any."""
    empty = results.scores.new_zeros(0)
    add_fields_of_cells(results, empty, empty > 0, box_cells(results.scores.new_zeros(0, 4)))
