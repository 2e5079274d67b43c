"""Computes calibration and LRP of one score, overall and by class."""

from itertools import pairwise

import numpy as np

from .calibration_errors import calibration_errors, laace, laece
from .lrp import class_lrp, mean_lrp
from .matching import matched_ious
from .overlaps import Floats, Ints, Overlaps
from .protocol import CORRECT_IOU, Protocol
from .rankings import in_unit_interval
from .score_errors import CalibrationErrors, ClassScore


class ScoreParts:
    """Calibration and LRP of one score, overall and by class.

    Args:
        overlaps: Of D detections.
        scores: (D,), which rank the detections.
        expected_ious: (D,), judged by LaECE_0 and LaACE_0.
        expected_precisions: (D,), judged by D-ECE.
        protocol: That of ``overlaps``.
        instances: (K,), of each class.

    Attributes:
        matched: (D,), IoU with the instance found, where any overlap makes a match.
        calibration_errors: None for a score outside [0, 1].
        by_class: Calibration and LRP of K classes.
        lrp: Mean over classes with ground truth.
    """

    def __init__(
        self,
        overlaps: Overlaps,
        scores: Floats,
        expected_ious: Floats,
        expected_precisions: Floats,
        protocol: Protocol,
        instances: Ints,
    ) -> None:
        self.matched, half = matched_ious(overlaps, scores, protocol, (0.0, CORRECT_IOU))
        calibratable = in_unit_interval(expected_ious) and in_unit_interval(expected_precisions)
        self.by_class: list[ClassScore] = []
        for k, (start, end) in enumerate(pairwise(overlaps.bounds)):
            own, matched, at_half = scores[start:end], self.matched[start:end], half[start:end]
            ious = expected_ious[start:end]
            counted, counted_half = ~np.isnan(matched), ~np.isnan(at_half)
            calibrated = calibratable and instances[k] > 0
            lrp = None
            if instances[k]:
                lrp = class_lrp(own[counted_half], at_half[counted_half], int(instances[k]))
            self.by_class.append(
                ClassScore(
                    laece=laece(ious[counted], matched[counted]) if calibrated else None,
                    laace=laace(ious[counted], matched[counted]) if calibrated else None,
                    lrp=lrp,
                )
            )
        self.lrp = mean_lrp([score.lrp for score in self.by_class if score.lrp is not None])
        self.calibration_errors: CalibrationErrors | None = None
        if calibratable:
            known = np.repeat(instances > 0, np.diff(overlaps.bounds))
            self.calibration_errors = calibration_errors(
                expected_ious[known],
                expected_precisions[known],
                self.matched[known],
                half[known],
                self.by_class,
            )
