"""Calibrates a score by a temperature: sigmoid(logit(score) / T)."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, logit

from msrcnn_mm.errors import UserError
from msrcnn_mm.evaluation.overlaps import Floats

from .rank_preserving import EPSILON, in_order_of

_LEAST, _MOST = 0.05, 20.0


@dataclass(frozen=True)
class Temperature:
    """Temperature scaling (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017).

    It ranks as the score does.

    Attributes:
        temperature: T in [0.05, 20]; above 1 scores move towards 0.5, below 1 away from it.
    """

    temperature: float

    def __post_init__(self) -> None:
        if not _LEAST <= self.temperature <= _MOST:
            raise UserError(f"a temperature must be a number from {_LEAST} to {_MOST:g}")

    @classmethod
    def fit(cls, scores: Floats, targets: Floats) -> "Temperature":
        """Finds the temperature of least mean cross-entropy, which is convex in 1 / T.

        Args:
            scores: (D,), in [0, 1].
            targets: (D,), matched IoUs in [0, 1].
        """
        logits = _logits(scores)

        def slope(inverse: float) -> float:
            return float(((expit(inverse * logits) - targets) * logits).mean())

        low, high = 1 / _MOST, 1 / _LEAST
        if slope(low) >= 0:
            return cls(_MOST)
        if slope(high) <= 0:
            return cls(_LEAST)
        return cls(min(max(1 / brentq(slope, low, high, xtol=1e-14), _LEAST), _MOST))

    def describe(self) -> str:
        """Returns the calibrator in words."""
        return f"temperature {self.temperature:.2f}"

    def apply(self, scores: Floats) -> Floats:
        """Returns (D,) calibrated scores in [0, 1] of (D,) scores in [0, 1]."""
        return in_order_of(scores, expit(_logits(scores) / self.temperature))


def _logits(scores: Floats) -> Floats:
    logits: Floats = logit(np.clip(scores, EPSILON, 1 - EPSILON))
    return logits
