"""Computes the Localisation Recall Precision error (LRP).

The source is Oksuz et al., "One Metric to Measure Them All", TPAMI 2021. Calibration errors do not
count misses: a detector that finds one easy instance with certainty is perfectly calibrated. LRP
counts badly cut masks, false alarms and misses in one figure, and gives the score threshold of the
least error.
"""

from collections.abc import Sequence
from dataclasses import fields

import numpy as np

from .overlaps import Floats
from .protocol import CORRECT_IOU
from .score_errors import ClassLrp, Lrp, LrpError, mean_defined


def class_lrp(scores: Floats, matched: Floats, instances: int) -> ClassLrp:
    """Returns LRP of one class: of all detections, and at the score threshold where it is least.

    With N_TP detections that found an instance at IoU 0.5 or more, N_FP that did not and N_FN
    instances that none found,

        LRP = (sum of (1 - IoU) / (1 - 0.5) over the N_TP, + N_FP + N_FN) / (N_TP + N_FP + N_FN).

    A threshold keeps all detections of equal score, or none.

    Args:
        scores: (D,), of the detections that count.
        matched: (D,), IoU of a detection that is correct at IoU 0.5, 0 of a false alarm.
        instances: Number of instances to find, at least 1.

    Returns:
        Errors in [0, 1]. Of several best thresholds the highest.
    """
    order = np.argsort(-scores, kind="stable")
    scores, matched = scores[order], matched[order]
    true = np.cumsum(matched > 0)
    if not true[-1:].any():
        nothing = LrpError(error=1.0, localisation=None, false_positive=None, false_negative=1.0)
        return ClassLrp(every=nothing, optimal=nothing, threshold=None)
    false = np.arange(1, len(matched) + 1) - true
    lost: Floats = true - np.cumsum(matched)  # sum of 1 - IoU
    missed = instances - true
    errors = (lost / (1 - CORRECT_IOU) + false + missed) / (true + false + missed)

    def at(last: int) -> LrpError:
        some = bool(true[last])
        return LrpError(
            error=float(errors[last]),
            localisation=float(lost[last] / true[last]) if some else None,
            false_positive=float(false[last] / (last + 1)) if some else None,
            false_negative=float(missed[last] / instances),
        )

    ends = np.flatnonzero(np.diff(scores, append=-np.inf))
    best = int(ends[errors[ends].argmin()])
    return ClassLrp(every=at(len(matched) - 1), optimal=at(best), threshold=float(scores[best]))


def mean_lrp(classes: Sequence[ClassLrp]) -> Lrp:
    """Returns the mean over classes, each figure over those in which it is defined."""

    def mean(errors: Sequence[LrpError]) -> LrpError:
        names = [field.name for field in fields(LrpError)]
        return LrpError(**{n: mean_defined([getattr(e, n) for e in errors]) for n in names})

    return Lrp(every=mean([c.every for c in classes]), optimal=mean([c.optimal for c in classes]))
