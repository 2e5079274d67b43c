"""Keeps calibrated scores in the order of the scores, and logarithms finite."""

import numpy as np

from msrcnn_mm.evaluation.overlaps import Floats

EPSILON = 1e-7
"""Least probability: the cross-entropy of a score of exactly 0 or 1 can be infinite."""

_SHARE = 1e-6


def in_order_of(scores: Floats, calibrated: Floats) -> Floats:
    """Returns ``calibrated`` moved towards ``scores`` by a millionth of the way.

    A function of the score that never falls thus becomes one that always rises, also where it is
    level or rounds to 1, so that it ranks exactly as the score does. This holds for scores that are
    2^-24 or more apart, the steps of single precision below 1: a millionth of such a step is above
    the rounding of double precision.

    Args:
        scores: (D,), in [0, 1].
        calibrated: (D,), in [0, 1], never falling with the score.
    """
    return np.clip((1 - _SHARE) * calibrated + _SHARE * scores, 0, 1)
