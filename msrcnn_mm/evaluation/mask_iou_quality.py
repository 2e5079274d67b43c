"""How well s_iou tells the true IoU."""

import numpy as np
from scipy.stats import rankdata

from .overlaps import Floats
from .score_evaluation import MaskIouQuality

MATCHED_IOU = 0.1
"""True IoU from which on a mask is of an instance, well or badly, and no false alarm.

As in TIDE (Bolya et al., ECCV 2020). Masks of nothing are left out, because s_iou is the IoU with
an instance and the scorer has never seen any other; masks of an instance that another mask found
as well are not, because s_iou is about the mask alone.
"""

GOOD_IOU = 0.75


def mask_iou_quality(mask_ious: Floats, true_ious: Floats) -> MaskIouQuality:
    """Errors and correlations of s_iou over the masks that are of an instance.

    Args:
        mask_ious: (D,), s_iou; NaN for a mask that has none, which is left out.
        true_ious: (D,), in [0, 1].

    Returns:
        None for what too few masks, or equal values, leave undefined.
    """
    matched = (true_ious >= MATCHED_IOU) & ~np.isnan(mask_ious)
    said, true = mask_ious[matched], true_ious[matched]
    errors = said - true
    return MaskIouQuality(
        masks=len(said),
        mean_absolute_error=float(np.abs(errors).mean()) if len(said) else None,
        bias=float(errors.mean()) if len(said) else None,
        pearson=_correlation(said, true),
        spearman=_correlation(rankdata(said), rankdata(true)),
        auroc=_auroc(said, true > GOOD_IOU),
    )


def _correlation(a: Floats, b: Floats) -> float | None:
    """Pearson's, in [-1, 1]; None where one of them does not vary."""
    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    return float(np.clip(np.corrcoef(a, b)[0, 1], -1, 1))


def _auroc(values: Floats, positive: np.ndarray) -> float | None:
    """Share of (positive, negative) pairs in which the positive's value is higher, ties half."""
    positives, negatives = int(positive.sum()), int((~positive).sum())
    if not positives or not negatives:
        return None
    beaten = rankdata(values)[positive].sum() - positives * (positives + 1) / 2
    return float(beaten / (positives * negatives))
