"""Maskness: a score of masks that needs no scorer, the class score x mean foreground probability.

SOLOv2 (Wang et al., NeurIPS 2020) and Mask2Former (Cheng et al., CVPR 2022) rank masks by it. This
module computes the mean foreground probability.
"""

import torch
from torch import Tensor


def mean_over_foreground(probs: Tensor, foreground: Tensor) -> Tensor:
    """Computes the mean of (R, H, W) probabilities over (R, H, W) bool foregrounds.

    Returns:
        (R,) in [0, 1]; 0 for a mask without foreground.
    """
    sums = torch.where(foreground, probs, 0).sum(dim=(1, 2))
    return sums / foreground.sum(dim=(1, 2)).clamp(min=1)


def mean_over_cells(probs: Tensor, foreground: Tensor, lengths: Tensor) -> Tensor:
    """Computes the same of (n,) cells of R masks, those of one mask after those of the other.

    Args:
        probs: (n,) in [0, 1].
        foreground: (n,) bool.
        lengths: (R,) cells of each mask.

    Returns:
        (R,) float32 in [0, 1]; 0 for a mask without foreground.
    """
    if not len(lengths):
        return probs.new_zeros(0, dtype=torch.float32)
    sums, areas = (
        torch.segment_reduce(values.double(), "sum", lengths=lengths)
        for values in (torch.where(foreground, probs, 0), foreground)
    )
    return (sums / areas.clamp(min=1)).float()
