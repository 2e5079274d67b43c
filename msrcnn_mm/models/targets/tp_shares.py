"""Computes the TP share of an image's detections, the target of scorers of frozen hosts.

Shape shorthand: D detections, G ground-truth instances, T IoU thresholds.
"""

import torch
from torch import Tensor

IOU_THRS = tuple(0.5 + 0.05 * i for i in range(10))
"""COCO's IoU thresholds."""


def tp_shares(ious: Tensor, scores: Tensor, crowds: Tensor) -> Tensor:
    """Returns the share of COCO's IoU thresholds at which each detection is matched.

    Detections are taken in class-score order. Each takes the instance that it fits best of those
    that are not taken; one that fits none but a crowd region is not counted (Lin et al., ECCV 2014;
    the matching of COCO's evaluation).

    Args:
        ious: (D, G) mask IoUs, 0 where the classes differ. With a crowd region, the share of the
            detection that lies in it.
        scores: (D,) class scores.
        crowds: (G,) bool, which instances are crowd regions.

    Returns:
        (D,) float32, multiples of 0.1 in [0, 1]; NaN for a detection that is not counted at any
        threshold.
    """
    thresholds = ious.new_tensor(IOU_THRS).clamp(max=1 - 1e-10)[:, None]
    shares = torch.zeros(len(ious), dtype=torch.float32, device=ious.device)
    free = (~crowds).expand(len(thresholds), -1).clone()
    for d in torch.argsort(scores, descending=True, stable=True).tolist():
        fits = ious[d] >= thresholds  # (T, G)
        can_take = fits & free
        found = can_take.any(dim=1)
        if found.any():
            best = torch.where(can_take, ious[d], -1.0).argmax(dim=1)
            free[found, best[found]] = False
        ignored = ~found & (fits & crowds).any(dim=1)
        shares[d] = torch.nan if bool(ignored.all()) else found.float().mean()
    return shares
