"""How well scores go with the true IoU of the masks they belong to.

The figures 2 and 5 of Mask Scoring R-CNN (Huang et al., CVPR 2019) in numbers. A class score says
little of the mask; s_iou should say all of it.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from msrcnn_mm.coco.detections import Detection

SCORES = {"class score": "score", "mask IoU": "mask_iou", "mask score": "mask_score"}
"""Our word for each score -> its field in a results file."""

MATCHED_IOU = 0.5
"""True IoU from which on a mask is of an instance, and not a false alarm."""

NUM_BINS = 10


@dataclass(frozen=True)
class Bin:
    """The masks whose score is in [low, high); the last bin has 1 too.

    Attributes:
        low: The least score.
        high: The score from which on the next bin has it.
        count: How many masks.
        mean_true_iou: Of theirs; None without a mask.
    """

    low: float
    high: float
    count: int
    mean_true_iou: float | None


@dataclass(frozen=True)
class Correlation:
    """How a score goes with the true IoU over a set of masks.

    Attributes:
        count: D, how many masks.
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
    """What one score says of each mask, and what is true.

    Attributes:
        scores: (D,), usually in [0, 1].
        true_ious: (D,), in [0, 1].
    """

    scores: NDArray[np.float64]
    true_ious: NDArray[np.float64]

    @cached_property
    def all(self) -> Correlation:
        """Over all masks: false alarms, whose true IoU is near 0, included."""
        return correlate(self.scores, self.true_ious)

    @cached_property
    def matched(self) -> Correlation:
        """Over the masks that are of an instance: quality alone, without false alarms."""
        hit = self.true_ious >= MATCHED_IOU
        return correlate(self.scores[hit], self.true_ious[hit])


def score_points(
    detections: Sequence[Detection], true_ious: NDArray[np.float64], score_thr: float
) -> dict[str, ScorePoints]:
    """Sets each score of the detections against their true IoU.

    Args:
        detections: D detections; those without a score's field are left out of that score.
        true_ious: (D,), the true IoU of each.
        score_thr: Detections below this class score are left out of all.

    Returns:
        Word of :data:`SCORES` -> its points; scores that no detection has are absent.
    """
    kept = [
        (detection, iou)
        for detection, iou in zip(detections, true_ious, strict=True)
        if detection["score"] >= score_thr
    ]
    points = {}
    for word, field in SCORES.items():
        pairs = [(d[field], iou) for d, iou in kept if field in d]
        if pairs:
            scores, ious = np.array(pairs, np.float64).T
            points[word] = ScorePoints(scores, ious)
    return points


def correlate(scores: NDArray[np.float64], true_ious: NDArray[np.float64]) -> Correlation:
    """The coefficients, and the mean true IoU by score.

    Args:
        scores: (D,).
        true_ious: (D,), in [0, 1].
    """
    pearson = spearman = None
    # SciPy warns and answers nan where a side does not vary, and warns where it hardly does.
    if len(scores) > 1 and np.ptp(scores) > 0 and np.ptp(true_ious) > 0:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", stats.NearConstantInputWarning)
            pearson = _defined(stats.pearsonr(scores, true_ious).statistic)
            spearman = _defined(stats.spearmanr(scores, true_ious).statistic)
    return Correlation(len(scores), pearson, spearman, _bins(scores, true_ious))


def _defined(coefficient: float) -> float | None:
    """A coefficient in [-1, 1]; None for the nan of values that differ by rounding alone."""
    return float(np.clip(coefficient, -1, 1)) if np.isfinite(coefficient) else None


def _bins(scores: NDArray[np.float64], true_ious: NDArray[np.float64]) -> list[Bin]:
    """Scores out of [0, 1], as other frameworks may have them, are in the first and last bin."""
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
    """What a JSON file can hold of the correlations; ``None`` for what is undefined."""
    return {
        "score_thr": score_thr,
        "matched_true_iou": MATCHED_IOU,
        "scores": {
            word.replace(" ", "_").lower(): {"all": asdict(p.all), "matched": asdict(p.matched)}
            for word, p in points.items()
        },
    }
