"""Calibrates a score by a curve that never falls."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.optimize import isotonic_regression

from msrcnn_mm.errors import UserError
from msrcnn_mm.evaluation.overlaps import Floats

from .rank_preserving import in_order_of


@dataclass(frozen=True)
class Isotonic:
    """Isotonic regression (Zadrozny and Elkan, KDD 2002), with straight lines between its knots.

    It ranks as the score does: level stretches of the curve would make scores equal, which
    :func:`.rank_preserving.in_order_of` prevents.

    Attributes:
        scores: (K,), rising, in [0, 1]: the knots' scores; before the first and behind the last
            the curve is level.
        ious: (K,), never falling, in [0, 1]: the knots' IoUs.
    """

    scores: list[float]
    ious: list[float]

    def __post_init__(self) -> None:
        if not self.scores or len(self.scores) != len(self.ious):
            raise UserError("an isotonic curve must have as many scores as IoUs, at least one")
        if not all(0 <= value <= 1 for value in (*self.scores, *self.ious)):
            raise UserError("an isotonic curve's scores and IoUs must be numbers from 0 to 1")
        if any(b <= a for a, b in pairwise(self.scores)) or any(
            b < a for a, b in pairwise(self.ious)
        ):
            raise UserError("an isotonic curve's scores must rise, and its IoUs must not fall")

    @classmethod
    def fit(cls, scores: Floats, targets: Floats) -> "Isotonic":
        """Fits the curve of least mean squared error.

        Args:
            scores: (D,), in [0, 1].
            targets: (D,), matched IoUs in [0, 1].
        """
        knots, where, counts = np.unique(scores, return_inverse=True, return_counts=True)
        means = np.bincount(where, targets) / counts
        ious = np.clip(isotonic_regression(means, weights=counts).x, 0, 1)
        # a knot inside a level stretch changes nothing
        kept = np.diff(ious, prepend=-1, append=2) != 0
        kept = kept[:-1] | kept[1:]
        return cls(knots[kept].tolist(), ious[kept].tolist())

    def describe(self) -> str:
        """Returns the calibrator in words."""
        return f"isotonic curve with {len(self.scores)} knot{'s' * (len(self.scores) > 1)}"

    def apply(self, scores: Floats) -> Floats:
        """Returns (D,) calibrated scores in [0, 1] of (D,) scores in [0, 1]."""
        return in_order_of(scores, np.interp(scores, self.scores, self.ious))
