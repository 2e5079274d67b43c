"""Applies boosted trees to features, and stores them as lists of numbers.

Each tree asks the same ``depth`` questions of every detection, "is feature f above t?", and adds
the value of the answers to a log-odds (the symmetric trees of Prokhorenkova et al., "CatBoost:
unbiased boosting with categorical features", NeurIPS 2018).

Shape shorthand: D detections, F features, T trees, Q questions of a tree.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit, logit

from msrcnn_mm.errors import UserError
from msrcnn_mm.evaluation.overlaps import Floats, Ints

_LEAST = 0.001
_AT_ONCE = 20_000  # detections, whose arrays stay in the cache


@dataclass(frozen=True)
class Trees:
    """Boosted symmetric trees.

    Attributes:
        base: Number of the feature that the trees correct, a score; its log-odds, see
            :func:`base_odds`, are those before the first tree.
        features: (T, Q), number of the feature of each question.
        thresholds: (T, Q); the answer is yes if the feature is greater. -inf asks whether there is
            a value at all: a feature that is NaN is above nothing.
        values: (T, 2^Q), what is added to the log-odds; the answers, yes as 1, are the digits of
            the position, the first question's the highest.
    """

    base: int
    features: Ints
    thresholds: Floats
    values: Floats

    def apply(self, features: Floats) -> Floats:
        """Returns (D,) probabilities of (D, F) features, NaN where a detection lacks one."""
        parts = [
            expit(self._log_odds(features[i : i + _AT_ONCE]))
            for i in range(0, len(features), _AT_ONCE)
        ]
        return np.concatenate([np.zeros(0), *parts])

    def _log_odds(self, features: Floats) -> Floats:
        columns = np.ascontiguousarray(features.T)
        columns[np.isnan(columns)] = -np.inf
        odds = base_odds(columns[self.base])
        for wanted, thresholds, values in zip(
            self.features, self.thresholds, self.values, strict=True
        ):
            answers = np.zeros(len(features), np.int64)
            for feature, threshold in zip(wanted, thresholds, strict=True):
                answers = 2 * answers + (columns[feature] > threshold)
            odds += values[answers]
        return odds

    def to_json(self) -> dict[str, Any]:
        """Returns lists of numbers; the threshold -inf is null."""
        thresholds: list[list[float | None]] = [
            [None if np.isneginf(t) else t for t in row] for row in self.thresholds.tolist()
        ]
        return {
            "base": self.base,
            "features": self.features.tolist(),
            "thresholds": thresholds,
            "values": self.values.tolist(),
        }

    @classmethod
    def from_json(cls, content: Any, features: int) -> "Trees":
        """Reads what :meth:`to_json` returned.

        Args:
            content: Of any kind.
            features: F, number of features that the trees can ask of.

        Raises:
            UserError: It is not that.
        """
        try:
            asked = np.array(content["features"])
            thresholds = np.array(
                [[-np.inf if t is None else t for t in row] for row in content["thresholds"]]
            )
            values = np.array(content["values"])
            base = content["base"]
            asked, thresholds = asked.astype(np.int64, casting="safe"), thresholds.astype(float)
            values = values.astype(float)
            sound = (
                asked.ndim == values.ndim == 2
                and asked.shape == thresholds.shape
                and values.shape == (len(asked), 2 ** asked.shape[1])
                and type(base) is int
                and 0 <= base < features
                and bool(np.isfinite(values).all())
                and not np.isnan(thresholds).any()
                and bool(((asked >= 0) & (asked < features)).all())
            )
        except KeyError as error:
            raise UserError(f"its trees are damaged: {error} is missing") from error
        except (TypeError, ValueError, OverflowError) as error:
            raise UserError("its trees are damaged: they are not lists of numbers") from error
        if not sound:
            raise UserError("its trees are damaged: the lists do not fit each other")
        return cls(base, asked, thresholds, values)


def base_odds(scores: Floats) -> Floats:
    """Returns the (D,) log-odds of (D,) scores, which are moved into [0.001, 0.999] first."""
    odds: Floats = logit(np.clip(scores, _LEAST, 1 - _LEAST))
    return odds


def mean_probabilities(ensemble: Sequence[Trees], features: Floats) -> Floats:
    """Returns (D,) means of the probabilities that several trees give to (D, F) features."""
    mean: Floats = np.mean([trees.apply(features) for trees in ensemble], axis=0)
    return mean
