"""Computes the TP shares of detections, which scorers learn that see a host's own detections.

Shape shorthand: D detections, G ground-truth instances, T IoU thresholds.
"""

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - PyTorch's own idiom
from torch import Tensor

IOU_THRS = tuple(np.linspace(0.5, 0.95, 10).tolist())
"""COCO's IoU thresholds, rounded as by pycocotools."""


def tp_shares(ious: Tensor, scores: Tensor, crowds: Tensor) -> Tensor:
    """Returns the share of COCO's IoU thresholds at which each detection is matched.

    Detections are taken in class-score order. Each takes the instance that it fits best of those
    that are not taken, the last one of equals; one that fits none but a crowd region is not counted
    (Lin et al., ECCV 2014; the matching of COCO's evaluation). Detections and instances may be
    those of several images, with IoUs of 0 between images.

    The matching is found by deferred acceptance (Gale and Shapley, 1962): every detection proposes
    to the instance that it fits best, an instance keeps the proposal of highest class score, and a
    refused detection goes on to its next best. Since all instances prefer alike, the end is the
    matching in class-score order. Two or three rounds are enough where no mask fits several
    instances, since these would overlap. Each round synchronises with the device.

    Args:
        ious: (D, G) mask IoUs, 0 where the classes differ. With a crowd region, the share of the
            detection that lies in it.
        scores: (D,) class scores; of equal ones the earlier detection is taken first.
        crowds: (G,) bool, which instances are crowd regions.

    Returns:
        (D,) float32, multiples of 0.1 in [0, 1]; NaN for a detection that is not counted at any
        threshold.
    """
    order = torch.argsort(scores, descending=True, stable=True)
    fits = ious[order] >= ious.new_tensor(IOU_THRS).clamp(max=1 - 1e-10)[:, None, None]
    ignorable = (fits & crowds).any(dim=2)
    found = _matched(fits & ~crowds, _ranks(ious[order]))
    ignored = (ignorable & ~found).all(dim=0)
    of_order = torch.where(ignored, torch.nan, found.float().mean(dim=0))
    return torch.empty_like(of_order).index_copy_(0, order, of_order)


def _ranks(ious: Tensor) -> Tensor:
    """Ranks the instances of each row by IoU, in (D, G); of equal ones the last is the highest."""
    return ious.argsort(dim=1, stable=True).argsort(dim=1)


def _matched(fits: Tensor, ranks: Tensor) -> Tensor:
    """Matches detections, the earlier first, to instances that they fit.

    Args:
        fits: (T, D, G) bool.
        ranks: (D, G), distinct in a row: the instance that a detection prefers has the highest.

    Returns:
        (T, D) bool, which detections are matched.
    """
    # column 0 is no instance: it refuses nobody, and is proposed to when all others have refused
    ranks = F.pad(ranks + 1, (1, 0))
    willing = F.pad(fits, (1, 0), value=True)
    own = torch.arange(fits.size(1), device=fits.device).expand(fits.shape[:2])
    while True:
        chosen = torch.where(willing, ranks, -1).argmax(dim=2)
        first = own.new_full((willing.size(0), willing.size(2)), fits.size(1))
        first.scatter_reduce_(1, chosen, own, "amin")
        refused = (first.gather(1, chosen) < own) & (chosen > 0)
        if not refused.any():
            return chosen > 0
        willing.scatter_(2, chosen[..., None], ~refused[..., None])
