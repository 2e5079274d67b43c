"""How good the masks are that are kept, against how many are kept."""

from dataclasses import dataclass

import numpy as np

from msrcnn_mm.evaluation.score_evaluation import Column

_MOST_POINTS = 400  # no eye sees more


@dataclass(frozen=True)
class RiskCoverage:
    """A curve of P points, from the fewest kept to all.

    Attributes:
        coverage: (P,), share of the masks that are kept, best score first.
        mean_iou: (P,), mean true IoU of those.
    """

    coverage: Column
    mean_iou: Column


def risk_coverage(scores: Column, true_ious: Column) -> RiskCoverage:
    """Keeps masks best score first.

    Masks of equal score are kept or dropped together: a threshold cannot part them.

    Args:
        scores: (D,); a mask without a score (NaN) is left out.
        true_ious: (D,), in [0, 1]; a mask that does not count (NaN) is left out.

    Returns:
        At most 400 points, the last of them all masks; none without a mask.
    """
    counts = ~(np.isnan(scores) | np.isnan(true_ious))
    scores, true_ious = scores[counts], true_ious[counts]
    order = np.argsort(-scores, kind="stable")
    kept = np.arange(1, len(order) + 1)
    mean_iou = np.cumsum(true_ious[order]) / kept
    ends = np.flatnonzero(np.diff(scores[order], append=-np.inf))
    if len(ends) > _MOST_POINTS:
        ends = ends[np.linspace(0, len(ends) - 1, _MOST_POINTS).round().astype(int)]
    return RiskCoverage(coverage=kept[ends] / max(1, len(order)), mean_iou=mean_iou[ends])
