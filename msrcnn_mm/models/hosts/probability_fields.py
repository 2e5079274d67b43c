"""Adds foreground probabilities, mask statistics and mask patches to an image's detections.

Shape shorthand: D detections, h x w cells of a map of the image, n cells of the masks' boxes, M
side of the patches.
"""

import math

import torch
import torch.nn.functional as F  # noqa: N812 - PyTorch's own idiom
from mmcv.ops import roi_align
from mmengine.structures import InstanceData
from torch import Tensor

from ..scorers.box_cells import BoxCells, box_cells, tight_boxes
from ..scorers.mask_statistics import mask_statistics
from ..scorers.maskness import mean_over_cells


def add_fields_of_maps(
    results: InstanceData,
    probs: Tensor,
    threshold: float,
    stride: int,
    meta: dict,
    patch_side: int | None = None,
) -> None:
    """Adds ``foreground_probs`` and ``mask_statistics``, given maps of the whole image.

    With ``patch_side`` patches are added too, see :func:`add_patches`.

    A mask's box is the one around its foreground in the map. Cells of padding are left out.

    Args:
        results: D detections; changed in place.
        probs: (D, h, w) in [0, 1].
        threshold: probability above which a cell is foreground.
        stride: side of a cell in pixels of the network's input.
        meta: the image's ``img_shape``; with ``patch_side`` its ``scale_factor``.
        patch_side: M.
    """
    height, width = (math.ceil(side / stride) for side in meta["img_shape"][:2])
    probs = probs[:, :height, :width]
    foreground = probs > threshold
    boxes = tight_boxes(foreground)
    cells = box_cells(boxes)
    add_fields_of_cells(results, probs[cells.at], foreground[cells.at], cells)
    if patch_side:
        factors = probs.new_tensor(meta["scale_factor"], dtype=torch.float32).repeat(2)
        add_patches(results, map_patches(probs, boxes, patch_side), boxes * stride / factors)


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


def add_patches(results: InstanceData, patches: Tensor, boxes: Tensor) -> None:
    """Adds ``mask_patches``, each mask's probabilities in its box, and ``mask_boxes``.

    Args:
        results: D detections; changed in place.
        patches: (D, M, M) in [0, 1].
        boxes: (D, 4) x1, y1, x2, y2 in pixels of the image that ``masks`` are of.
    """
    results.mask_patches = patches.float()
    results.mask_boxes = boxes.float()


def map_patches(maps: Tensor, boxes: Tensor, side: int) -> Tensor:
    """Returns the means of (D, h, w) maps in the cells of a grid over each box.

    Args:
        maps: one for each box.
        boxes: (D, 4) x1, y1, x2, y2 in cells of the maps.
        side: M.

    Returns:
        (D, M, M) means of bilinear samples, 2 x 2 a cell of the grid, in float32 or better.
    """
    if not len(boxes):
        return maps.new_zeros(0, side, side)
    number = torch.arange(len(boxes), device=boxes.device)
    return _sampled(maps, number, boxes, side, 2)


def logit_patches(logits: Tensor, maps: Tensor, boxes: Tensor, side: int) -> Tensor:
    """Returns the means of probabilities in the cells of a grid over each box, of maps of logits.

    No map is copied, since these may be as large as the image; but those of half precision are.

    Args:
        logits: (Q, h, w) maps.
        maps: (D,) index of each box's map, in [0, Q).
        boxes: (D, 4) x1, y1, x2, y2 in cells of the maps.
        side: M.

    Returns:
        (D, M, M) in [0, 1], means of bilinear samples of the logits, 2 x 2 a cell of the grid, in
        float32 or better.
    """
    if not len(boxes):
        return logits.new_zeros(0, side, side)
    return F.avg_pool2d(_sampled(logits, maps, boxes, 2 * side, 1).sigmoid(), 2)


def _sampled(maps: Tensor, of: Tensor, boxes: Tensor, side: int, samples: int) -> Tensor:
    """Samples (Q, h, w) maps in the cells of a grid over each box, in float32 or better.

    mmcv has no operator for bf16, and half precision would round the boxes.

    Args:
        maps: of any precision.
        of: (D,) index of each box's map.
        boxes: (D, 4) x1, y1, x2, y2 in cells of the maps.
        side: cells of the grid.
        samples: of a cell in each direction, whose mean is taken.

    Returns:
        (D, side, side).
    """
    # contiguous, since mmcv 2.1.0 reads the memory of a slice of maps as if it were the maps
    maps = maps.to(torch.promote_types(maps.dtype, torch.float32)).contiguous()
    rois = torch.cat((of[:, None], boxes), dim=1).to(maps.dtype)
    return roi_align(maps[:, None], rois, side, 1.0, samples, "avg", True)[:, 0]


def resized_patches(probs: Tensor, side: int) -> Tensor:
    """Resizes (D, m, m) probabilities in boxes to (D, M, M), bilinear."""
    if probs.shape[-2:] == (side, side):
        return probs
    return F.interpolate(probs[:, None], (side, side), mode="bilinear", antialias=True)[:, 0]
