"""Correlates scores with the true IoU of their masks.

These are the figures 2 and 5 of Mask Scoring R-CNN (Huang et al., CVPR 2019) in numbers.
"""

import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import stats

from msrcnn_mm.coco.detections import Detections

from .evaluation_result import MaskIouQuality
from .overlaps import Bools, Floats
from .protocol import CORRECT_IOU, MATCHED_IOU

CORRELATED = {"class score": "class_scores", "mask IoU": "mask_ious", "mask score": "mask_scores"}
"""Name of each score in figures -> its column in :class:`Detections`."""

GOOD_IOU = 0.75
"""True IoU above which a mask is well cut, for the AUROC of s_iou."""

NUM_BINS = 10


@dataclass(frozen=True)
class Bin:
    """Masks whose score is in [low, high); the last bin includes 1.

    Attributes:
        low: The least score.
        high: Scores are below this.
        count: Number of masks.
        mean_true_iou: None without a mask.
    """

    low: float
    high: float
    count: int
    mean_true_iou: float | None


@dataclass(frozen=True)
class Correlation:
    """Correlation of a score with the true IoU over a set of masks.

    Attributes:
        count: D, number of masks.
        pearson: Coefficient of the linear relation, in [-1, 1]; None where it is undefined, because
            there are fewer than two masks, or all have one score or one true IoU.
        spearman: The same of the ranks, ties sharing their mean rank.
        bins: :data:`NUM_BINS` bins of the score from 0 to 1.
    """

    count: int
    pearson: float | None
    spearman: float | None
    bins: list[Bin]


@dataclass(frozen=True)
class ScorePoints:
    """One score of each mask, and the true IoU.

    Attributes:
        scores: (D,), usually in [0, 1].
        true_ious: (D,), in [0, 1].
    """

    scores: Floats
    true_ious: Floats

    @cached_property
    def all(self) -> Correlation:
        """Correlation over all masks, false alarms included."""
        return correlate(self.scores, self.true_ious)

    @cached_property
    def matched(self) -> Correlation:
        """Correlation over the masks of true IoU 0.5 or more, false alarms left out."""
        hit = self.true_ious >= CORRECT_IOU
        return correlate(self.scores[hit], self.true_ious[hit])


def score_points(
    detections: Detections, true_ious: Floats, score_thr: float
) -> dict[str, ScorePoints]:
    """Pairs each score of the detections with their true IoU.

    Args:
        detections: D detections; those without a score are left out of that score.
        true_ious: (D,), the true IoU of each.
        score_thr: Detections below this class score are left out of all.

    Returns:
        Word of :data:`CORRELATED` -> its points; scores that no detection has are absent.
    """
    points = {}
    for word, column in CORRELATED.items():
        scores = getattr(detections, column)
        if scores is not None:
            kept = (detections.class_scores >= score_thr) & ~np.isnan(scores)
            if kept.any():
                points[word] = ScorePoints(scores[kept], true_ious[kept])
    return points


def correlate(scores: Floats, true_ious: Floats) -> Correlation:
    """Returns the coefficients, and the mean true IoU by score.

    Args:
        scores: (D,).
        true_ious: (D,), in [0, 1].
    """
    pearson, spearman = coefficients(scores, true_ious)
    return Correlation(len(scores), pearson, spearman, _bins(scores, true_ious))


def coefficients(a: Floats, b: Floats) -> tuple[float | None, float | None]:
    """Returns Pearson's and Spearman's coefficient, in [-1, 1]; None where undefined.

    Args:
        a: (D,).
        b: (D,).
    """
    # SciPy warns and returns nan where a side does not vary, and warns where it hardly does.
    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return None, None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.NearConstantInputWarning)
        return _defined(stats.pearsonr(a, b).statistic), _defined(stats.spearmanr(a, b).statistic)


def _defined(coefficient: float) -> float | None:
    """Clips a coefficient to [-1, 1]; returns None for the nan of values that hardly vary."""
    return float(np.clip(coefficient, -1, 1)) if np.isfinite(coefficient) else None


def _bins(scores: Floats, true_ious: Floats) -> list[Bin]:
    """Bins true IoUs by score; scores outside [0, 1] are in the first and the last bin."""
    index = np.clip(np.floor(scores * NUM_BINS), 0, NUM_BINS - 1).astype(int)
    counts = np.bincount(index, minlength=NUM_BINS)
    sums = np.bincount(index, true_ious, NUM_BINS)
    return [
        Bin(
            i / NUM_BINS,
            (i + 1) / NUM_BINS,
            int(counts[i]),
            float(sums[i] / counts[i]) if counts[i] else None,
        )
        for i in range(NUM_BINS)
    ]


def report(points: Mapping[str, ScorePoints], score_thr: float) -> dict[str, Any]:
    """Returns the content of ``correlation.json``; None stands for an undefined coefficient."""
    return {
        "score_thr": score_thr,
        "matched_true_iou": CORRECT_IOU,
        "scores": {
            word.replace(" ", "_").lower(): {"all": asdict(p.all), "matched": asdict(p.matched)}
            for word, p in points.items()
        },
    }


def mask_iou_quality(mask_ious: Floats, true_ious: Floats) -> MaskIouQuality:
    """Computes errors and correlations of s_iou over the masks that are of an instance.

    Masks of no object (true IoU below :data:`.protocol.MATCHED_IOU`) are left out, because scorers
    are trained on masks of instances only. Duplicates count, because s_iou does not depend on other
    masks.

    Args:
        mask_ious: (D,), s_iou; NaN for a mask that has none, which is left out.
        true_ious: (D,), in [0, 1].

    Returns:
        The figures; None for those that too few masks or equal values leave undefined.
    """
    matched = (true_ious >= MATCHED_IOU) & ~np.isnan(mask_ious)
    predicted, true = mask_ious[matched], true_ious[matched]
    errors = predicted - true
    pearson, spearman = coefficients(predicted, true)
    return MaskIouQuality(
        masks=len(predicted),
        mean_absolute_error=float(np.abs(errors).mean()) if len(predicted) else None,
        bias=float(errors.mean()) if len(predicted) else None,
        pearson=pearson,
        spearman=spearman,
        auroc=_auroc(predicted, true > GOOD_IOU),
    )


def _auroc(values: Floats, positive: Bools) -> float | None:
    """Returns the share of (positive, negative) pairs in which the positive's value is higher."""
    if positive.all() or not positive.any():
        return None
    above, below = values[positive], values[~positive]
    return float(stats.mannwhitneyu(above, below).statistic / (len(above) * len(below)))
