"""Calibrates a score by powers of its factors: s_cls^a * s_iou^b."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from msrcnn_mm.errors import UserError
from msrcnn_mm.evaluation.overlaps import Floats

from .rank_preserving import EPSILON

_MOST = 20.0
_LEAST_ALONE = 0.01  # 0 would make all scores equal


@dataclass(frozen=True)
class Exponents:
    """Powers of the factors of a score; their ratio changes the ranking.

    Attributes:
        exponents: (F,), in [0, 20]: a of the class score and, where the score has two factors, b
            of the other one.
    """

    exponents: list[float]

    def __post_init__(self) -> None:
        if not 1 <= len(self.exponents) <= 2 or not all(0 <= e <= _MOST for e in self.exponents):
            raise UserError(f"exponents must be one or two numbers from 0 to {_MOST:g}")

    @classmethod
    def fit(cls, factors: Floats, targets: Floats) -> "Exponents":
        """Finds the exponents of least mean cross-entropy, which is convex in them.

        The logarithm of the score is linear in a and b, so this is log-binomial regression without
        an intercept (Wacholder, 1986), with IoUs for outcomes.

        Args:
            factors: (F, D), in [0, 1]: class score and, where there are two, the other factor.
            targets: (D,), matched IoUs in [0, 1].
        """
        logs = np.log(np.maximum(factors, EPSILON))
        least = _LEAST_ALONE if len(factors) == 1 else 0.0

        def loss_and_slopes(exponents: Floats) -> tuple[float, Floats]:
            log_p = np.minimum(exponents @ logs, -EPSILON)
            other = -np.expm1(log_p)  # 1 - p
            loss = -(targets * log_p + (1 - targets) * np.log(other))
            slopes = (1 - targets) * np.exp(log_p) / other - targets
            return float(loss.mean()), logs @ slopes / len(targets)

        found = minimize(
            loss_and_slopes,
            np.ones(len(factors)),
            jac=True,
            method="L-BFGS-B",
            bounds=[(least, _MOST)] * len(factors),
            options={"ftol": 1e-14, "gtol": 1e-9},
        )
        return cls(found.x.tolist())

    def describe(self) -> str:
        """Returns the calibrator in words."""
        return f"exponents {' and '.join(f'{e:.2f}' for e in self.exponents)}"

    def apply(self, factors: Floats) -> Floats:
        """Returns (D,) calibrated scores in [0, 1] of (F, D) factors.

        Raises:
            UserError: The score has another number of factors.
        """
        if len(factors) != len(self.exponents):
            raise UserError(
                f"the re-scorer has {len(self.exponents)} exponents, but the score has"
                f" {len(factors)} factors"
            )
        calibrated: Floats = np.prod(factors ** np.array(self.exponents)[:, None], axis=0)
        return calibrated
