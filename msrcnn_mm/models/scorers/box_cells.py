"""Finds the cells of boxes in maps.

Shape shorthand: D boxes, one in each of D maps of h x w cells, n cells of all boxes.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class BoxCells(NamedTuple):
    """The cells of D boxes, row by row, those of one box after those of the other."""

    at: tuple[Tensor, Tensor, Tensor]
    """Box, row and column of each cell, (n,) each: ``maps[cells.at]`` are the cells' values."""

    lengths: Tensor
    """(D,) cells of each box, whose sum is n."""

    rim: Tensor
    """(n,) bool, whether a cell is one of the outermost of its box."""


def box_cells(boxes: Tensor) -> BoxCells:
    """Returns the cells of boxes.

    Args:
        boxes: (D, 4) x1, y1, x2, y2 in whole cells, the last two exclusive; a box may be empty.
    """
    x1, y1, x2, y2 = boxes.long().unbind(dim=1)
    widths, heights = x2 - x1, y2 - y1
    # the rows of all boxes first: they are few
    box, row = _ranges(y1, heights)
    cell_row, column = _ranges(x1[box], widths[box])
    rim = ((row == y1[box]) | (row == y2[box] - 1))[cell_row]
    ends = widths[box].cumsum(0)
    filled = widths[box] > 0
    rim[(ends - widths[box])[filled]] = True
    rim[(ends - 1)[filled]] = True
    return BoxCells((box[cell_row], row[cell_row], column), widths * heights, rim)


def _ranges(starts: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the number of the range and the value of each element of ranges, joined."""
    which = torch.arange(len(starts), device=starts.device).repeat_interleave(lengths)
    offsets = starts - (lengths.cumsum(0) - lengths)
    return which, torch.arange(len(which), device=starts.device) + offsets[which]


def map_cells(maps: Tensor) -> BoxCells:
    """Returns all cells of (D, h, w) maps; unlike :func:`box_cells` without waiting for a GPU."""
    count, height, width = maps.shape
    sides = (torch.arange(side, device=maps.device) for side in maps.shape)
    of, row, column = torch.meshgrid(*sides, indexing="ij")
    rim = (row == 0) | (row == height - 1) | (column == 0) | (column == width - 1)
    lengths = torch.full((count,), height * width, device=maps.device)
    return BoxCells((of.flatten(), row.flatten(), column.flatten()), lengths, rim.flatten())


def tight_boxes(masks: Tensor) -> Tensor:
    """Returns the (D, 4) boxes around (D, h, w) bool masks, of no cell for an empty mask."""
    spans = []
    for filled in (masks.any(dim=1), masks.any(dim=2)):
        ends = torch.arange(1, filled.size(1) + 1, device=masks.device)
        spans.append((filled.int().argmax(dim=1), torch.where(filled, ends, 0).amax(dim=1)))
    (x1, x2), (y1, y2) = spans
    return torch.stack((x1, y1, x2, y2), dim=1)
