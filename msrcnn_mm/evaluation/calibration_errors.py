"""Computes calibration errors of scores: LaECE_0, LaACE_0 and D-ECE.

LaECE_0 and LaACE_0 (Kuzucu et al., "On Calibration of Object Detectors: Pitfalls, Evaluation and
Baselines", ECCV 2024) compare a score with the IoU of a detection that finds an instance and with 0
for a false alarm, so that badly cut masks count as errors. D-ECE (Kueppers et al., "Multivariate
Confidence Calibration for Object Detection", CVPR Workshops 2020) compares it with the share of
detections that are correct at an IoU threshold; this is the variant of confidence alone.

Bins are of equal width, open below and closed above, the first closed at 0 too.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from .overlaps import Floats, Ints
from .score_errors import CalibrationErrors, ClassScore, ReliabilityBin, mean_defined

LAECE_BINS = 25
DECE_BINS = 10


def laece(scores: Floats, matched: Floats) -> float | None:
    """Returns LaECE_0 of one class: the mean over bins of |mean score - mean IoU|, by count.

    Args:
        scores: (D,), in [0, 1].
        matched: (D,), IoU of a correct detection (any overlap makes one), 0 of a false alarm.

    Returns:
        In [0, 1], 0 best; None without a detection.
    """
    return _binned_error(scores, matched, LAECE_BINS)


def laace(scores: Floats, matched: Floats) -> float | None:
    """Returns LaACE_0 of one class: the mean of |score - IoU|, each detection a bin of its own.

    Args:
        scores: (D,), in [0, 1].
        matched: (D,), as of :func:`laece`.

    Returns:
        In [0, 1], 0 best; None without a detection.
    """
    return float(np.abs(scores - matched).mean()) if len(scores) else None


def dece(scores: Floats, correct: Floats) -> float | None:
    """Returns D-ECE: the mean over 10 bins of |mean score - share of correct ones|, by count.

    Args:
        scores: (D,), in [0, 1], of all classes together.
        correct: (D,), 1 for a detection that is correct at IoU 0.5, 0 for one that is not.

    Returns:
        In [0, 1], 0 best; None without a detection.
    """
    return _binned_error(scores, correct, DECE_BINS)


def calibration_errors(
    expected_ious: Floats,
    expected_precisions: Floats,
    matched: Floats,
    matched_half: Floats,
    classes: Sequence[ClassScore],
) -> CalibrationErrors:
    """Returns all calibration errors of one score.

    Args:
        expected_ious: (D,), in [0, 1], IoUs that the score stands for, of the detections of classes
            with ground truth.
        expected_precisions: (D,), in [0, 1], probabilities of being correct that it stands for.
        matched: (D,), IoU with the instance found, where any overlap makes a match; 0 for a false
            alarm, NaN for a detection that does not count.
        matched_half: (D,), the same where a match needs IoU 0.5.
        classes: Each class's own errors.
    """
    at_half = ~np.isnan(matched_half)
    return CalibrationErrors(
        laece=mean_defined(one.laece for one in classes),
        laace=mean_defined(one.laace for one in classes),
        dece=dece(expected_precisions[at_half], (matched_half[at_half] > 0).astype(float)),
        bins=_reliability(expected_ious, matched, matched_half),
    )


def bin_numbers(scores: Floats, bins: int) -> Ints:
    """Returns the (D,) bin numbers of (D,) scores in [0, 1]."""
    return np.maximum(np.searchsorted(np.linspace(0, 1, bins + 1), scores, side="left") - 1, 0)


def _binned_error(scores: Floats, targets: Floats, bins: int) -> float | None:
    if not len(scores):
        return None
    # |mean score - mean target| times the bin's share is |sum of their differences| / all
    sums = np.bincount(bin_numbers(scores, bins), scores - targets, bins)
    return float(np.abs(sums).sum() / len(scores))


def _reliability(scores: Floats, matched: Floats, matched_half: Floats) -> list[ReliabilityBin]:
    edges = np.linspace(0, 1, LAECE_BINS + 1)
    numbers = bin_numbers(scores, LAECE_BINS)
    bins = []
    for number, (low, high) in enumerate(pairwise(edges.tolist())):
        own = (numbers == number) & ~np.isnan(matched)
        half = matched_half[(numbers == number) & ~np.isnan(matched_half)]
        bins.append(
            ReliabilityBin(
                low,
                high,
                count=int(own.sum()),
                mean_score=float(scores[own].mean()) if own.any() else None,
                mean_iou=float(matched[own].mean()) if own.any() else None,
                precision=float((half > 0).mean()) if len(half) else None,
            )
        )
    return bins
