"""Holds the errors of one score as plain data: calibration errors and LRP.

Figures are shares in [0, 1]; None stands for an undefined one.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ReliabilityBin:
    """Detections whose score lies in one part of [0, 1].

    Attributes:
        low: Scores are above this; the first bin includes it.
        high: Scores are at most this.
        count: Number of detections.
        mean_score: Their mean score; None without any.
        mean_iou: Their mean matched IoU, which a calibrated score equals; None without any.
        precision: The share that is correct at IoU 0.5; None without any.
    """

    low: float
    high: float
    count: int
    mean_score: float | None
    mean_iou: float | None
    precision: float | None


@dataclass(frozen=True)
class CalibrationErrors:
    """Calibration errors of a score, 0 best.

    Attributes:
        laece: LaECE_0, mean over classes.
        laace: LaACE_0, mean over classes.
        dece: D-ECE at IoU 0.5, all classes together.
        bins: Reliability over all classes, in the 25 bins of LaECE.
    """

    laece: float | None
    laace: float | None
    dece: float | None
    bins: list[ReliabilityBin]


@dataclass(frozen=True)
class LrpError:
    """Localisation Recall Precision error of a set of detections, 0 best, 1 worst.

    Attributes:
        error: LRP.
        localisation: Mean of 1 - IoU over the masks that found an instance; None without any.
        false_positive: Share of false alarms among the detections: 1 - precision; None without any
            correct detection.
        false_negative: Share of missed instances: 1 - recall.
    """

    error: float | None
    localisation: float | None
    false_positive: float | None
    false_negative: float | None


@dataclass(frozen=True)
class Lrp:
    """LRP at IoU 0.5; over several classes, the mean over those with ground truth.

    Attributes:
        every: Of all detections.
        optimal: Of the detections that reach their class's best threshold (oLRP).
    """

    every: LrpError
    optimal: LrpError


@dataclass(frozen=True)
class ClassLrp(Lrp):
    """LRP at IoU 0.5 of one class.

    Attributes:
        threshold: The score at which LRP is least; ``optimal`` is of the detections that reach it.
            None without a correct detection.
    """

    threshold: float | None


@dataclass(frozen=True)
class ClassScore:
    """Calibration and LRP of one score in one class.

    Attributes:
        laece: LaECE_0 of the class; None without a detection or ground truth.
        laace: LaACE_0 of the class; the same.
        lrp: None without ground truth.
    """

    laece: float | None
    laace: float | None
    lrp: ClassLrp | None


def mean_defined(values: Iterable[float | None]) -> float | None:
    """Returns the mean of the defined values; None without one."""
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if defined else None
