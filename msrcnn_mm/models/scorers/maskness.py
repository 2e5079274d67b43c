"""Maskness: how sure a mask is of its own foreground, a score of masks that needs no scorer."""

import torch
from torch import Tensor


def foreground_probs(logits: Tensor, mask_thr: float) -> Tensor:
    """Mean probability over the pixels that a mask counts as its foreground.

    SOLOv2 (Wang et al., NeurIPS 2020) and Mask2Former (Cheng et al., CVPR 2022) multiply the class
    score by it.

    Args:
        logits: (R, M, M) mask logits of the target class.
        mask_thr: probability from which a pixel is foreground.

    Returns:
        (R,) in [0, 1], float32; 0 for a mask without foreground.
    """
    probs = logits.float().sigmoid()
    return mean_over_foreground(probs, probs >= mask_thr)


def mean_over_foreground(probs: Tensor, foreground: Tensor) -> Tensor:
    """The same of (R, H, W) mask probabilities, with what is foreground as a mask of that shape."""
    sums = torch.where(foreground, probs, 0).sum(dim=(1, 2))
    return sums / foreground.sum(dim=(1, 2)).clamp(min=1)
