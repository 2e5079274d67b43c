"""How far scores are from what they should say: LaECE_0, LaACE_0 and D-ECE.

LaECE_0 and LaACE_0 (Kuzucu et al., "On Calibration of Object Detectors: Pitfalls, Evaluation and
Baselines", ECCV 2024) ask a score to be the IoU of a detection that finds an instance and 0 for a
false alarm, so that a detector cannot be calibrated by cutting masks badly. D-ECE (Kueppers et al.,
"Multivariate Confidence Calibration for Object Detection", CVPR Workshops 2020) asks it to be the
share of detections that are correct at an IoU threshold; ours is the one of confidence alone.

Bins are of equal width, open below and closed above, the first closed at 0 too.
"""

from itertools import pairwise

import numpy as np

from .evaluation_result import CalibrationErrors, ReliabilityBin
from .overlaps import Floats, Ints

LAECE_BINS = 25
DECE_BINS = 10


def laece(scores: Floats, found: Floats) -> float | None:
    """LaECE_0 of one class: mean over bins, weighted by count, of |mean score - mean IoU|.

    Args:
        scores: (D,), in [0, 1].
        found: (D,), IoU of a correct detection (any overlap will do), 0 of a false alarm.

    Returns:
        In [0, 1], 0 best; None without a detection.
    """
    return _binned_error(scores, found, LAECE_BINS)


def laace(scores: Floats, found: Floats) -> float | None:
    """LaACE_0 of one class: mean of |score - IoU|, each detection a bin of its own.

    Args, Returns: As of :func:`laece`.
    """
    return float(np.abs(scores - found).mean()) if len(scores) else None


def dece(scores: Floats, correct: Floats) -> float | None:
    """D-ECE: mean over 10 bins, weighted by count, of |mean score - share of correct ones|.

    Args:
        scores: (D,), in [0, 1], of all classes together.
        correct: (D,), 1 for a detection that is correct at IoU 0.5, 0 for one that is not.

    Returns:
        In [0, 1], 0 best; None without a detection.
    """
    return _binned_error(scores, correct, DECE_BINS)


def calibration_errors(
    scores: Floats, found: Floats, found_half: Floats, classes: Ints
) -> CalibrationErrors:
    """All of it, for one score.

    Args:
        scores: (D,), in [0, 1].
        found: (D,), IoU with the instance found where any overlap will do, 0 for a false alarm,
            NaN for what does not count.
        found_half: (D,), the same where IoU 0.5 is asked for.
        classes: (D,), of classes with ground truth; detections of others belong in no figure.
    """
    counts = ~np.isnan(found)
    by_class = [counts & (classes == k) for k in np.unique(classes)]
    at_half = ~np.isnan(found_half)
    return CalibrationErrors(
        laece=_mean([laece(scores[own], found[own]) for own in by_class]),
        laace=_mean([laace(scores[own], found[own]) for own in by_class]),
        dece=dece(scores[at_half], (found_half[at_half] > 0).astype(float)),
        bins=_reliability(scores, found, found_half),
    )


def bin_numbers(scores: Floats, bins: int) -> Ints:
    """(D,), the bin of each score in [0, 1]."""
    return np.maximum(np.searchsorted(np.linspace(0, 1, bins + 1), scores, side="left") - 1, 0)


def _binned_error(scores: Floats, targets: Floats, bins: int) -> float | None:
    if not len(scores):
        return None
    # |mean score - mean target| times the bin's share is |sum of their differences| / all
    sums = np.bincount(bin_numbers(scores, bins), scores - targets, bins)
    return float(np.abs(sums).sum() / len(scores))


def _reliability(scores: Floats, found: Floats, found_half: Floats) -> list[ReliabilityBin]:
    edges = np.linspace(0, 1, LAECE_BINS + 1)
    numbers = bin_numbers(scores, LAECE_BINS)
    bins = []
    for number, (low, high) in enumerate(pairwise(edges)):
        own = (numbers == number) & ~np.isnan(found)
        half = found_half[(numbers == number) & ~np.isnan(found_half)]
        bins.append(
            ReliabilityBin(
                low=float(low),
                high=float(high),
                count=int(own.sum()),
                mean_score=float(scores[own].mean()) if own.any() else None,
                mean_iou=float(found[own].mean()) if own.any() else None,
                precision=float((half > 0).mean()) if len(half) else None,
            )
        )
    return bins


def _mean(values: list[float | None]) -> float | None:
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if defined else None
