"""Describes the outlines of masks, and how steeply the probabilities fall there.

Shape shorthand: D detections, M side of the mask patches.
"""

import torch
from torch import Tensor

OUTLINE = 5
"""Columns of :func:`mask_outline`."""


def mask_outline(patches: Tensor) -> Tensor:
    """Computes numbers of the outline of each mask, between cells of its box.

    An edge lies between two neighbouring cells of which one is foreground, p >= 0.5.

    Args:
        patches: (D, M, M) probabilities p in [0, 1] of masks in their boxes.

    Returns:
        (D, 5) float32: mean difference of p over the edges, 0 without an edge; edges over the root
        of the foreground's cells; the foreground's share of the cells; mean absolute and mean
        squared difference of p over all pairs of neighbouring cells, horizontal + vertical.
    """
    p = patches.float()
    foreground = p >= 0.5
    area = foreground.sum(dim=(1, 2))
    edges, fall, slope, square = (p.new_zeros(len(p)) for _ in range(4))
    for dim in (1, 2):
        steps = p.diff(dim=dim).abs()
        crossed = foreground.int().diff(dim=dim) != 0
        edges += crossed.sum(dim=(1, 2))
        fall += torch.where(crossed, steps, 0).sum(dim=(1, 2))
        slope += steps.mean(dim=(1, 2))
        square += steps.square().mean(dim=(1, 2))
    columns = (
        fall / edges.clamp(min=1),
        edges / area.clamp(min=1).sqrt(),
        foreground.float().mean(dim=(1, 2)),
        slope,
        square,
    )
    return torch.stack(columns, dim=1)
