"""Maskness: a score of masks that needs no scorer, the class score x mean foreground probability.

SOLOv2 (Wang et al., NeurIPS 2020) and Mask2Former (Cheng et al., CVPR 2022) rank masks by it. This
module computes the mean foreground probability.
"""

import torch
from torch import Tensor


def foreground_probs(logits: Tensor, mask_thr: float) -> Tensor:
    """Computes the mean probability over the foreground of each mask.

    Args:
        logits: (R, M, M) mask logits of the target class.
        mask_thr: probability from which a pixel is foreground, in (0, 1).

    Returns:
        (R,) float32 in [0, 1]; 0 for a mask without foreground.
    """
    probs = logits.float().sigmoid()
    return mean_over_foreground(probs, probs >= mask_thr)


def mean_over_foreground(probs: Tensor, foreground: Tensor) -> Tensor:
    """Computes the mean of (R, H, W) probabilities over (R, H, W) bool foregrounds.

    Returns:
        (R,) in [0, 1]; 0 for a mask without foreground.
    """
    sums = torch.where(foreground, probs, 0).sum(dim=(1, 2))
    return sums / foreground.sum(dim=(1, 2)).clamp(min=1)
