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
