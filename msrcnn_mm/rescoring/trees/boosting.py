"""Fits boosted symmetric trees to soft targets by cross-entropy.

Histogram gradient boosting with second-order leaf values (Ke et al., "LightGBM", NeurIPS 2017):
every feature is cut into bins once, and each question is the cut of a feature that gains most over
all groups of detections that the questions before it made.

Shape shorthand: D detections, F features, B bins, A groups of the answers so far.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from msrcnn_mm.evaluation.overlaps import Floats, Ints

from .symmetric import Trees, base_odds


@dataclass(frozen=True)
class Settings:
    """Settings of a fit.

    Attributes:
        rounds: Number of trees.
        rate: Share of each tree's values that is added.
        questions: Of each tree; it has 2^questions values.
        bins: Greatest number of bins of a feature.
        l2: Added to the sum of second derivatives under each value.
        least: Least sum of second derivatives of a side of a cut, in each group.
        rows: Share of the detections that a tree is fitted to.
        columns: Share of the features that a tree may ask of.
    """

    rounds: int = 200
    rate: float = 0.04
    questions: int = 3
    bins: int = 64
    l2: float = 5.0
    least: float = 2.0
    rows: float = 0.8
    columns: float = 0.7


DEFAULT = Settings()


def fit_trees(
    features: Floats, targets: Floats, base: int, settings: Settings = DEFAULT, seed: int = 0
) -> Trees:
    """Fits trees whose probabilities have the least cross-entropy with the targets.

    Args:
        features: (D, F), NaN where a detection lacks one; D >= 1.
        targets: (D,), in [0, 1].
        base: Number of a feature that is a score in [0, 1], never NaN: the trees correct it.
        settings: How to fit.
        seed: Of the detections and features that each tree sees.
    """
    random = np.random.default_rng(seed)
    cuts = [_cuts(column, settings.bins) for column in features.T]
    bins = max((len(one) for one in cuts), default=0) + 2
    # bin 0 is for NaN; a cut behind bin b sends the bins above b to the side of yes
    binned = np.stack(
        [
            np.where(np.isnan(column), 0, 1 + np.searchsorted(one, column))
            for column, one in zip(features.T, cuts, strict=True)
        ]
    ).astype(np.int64)
    usable = np.arange(bins) <= np.array([len(one) for one in cuts])[:, None]

    odds = base_odds(features[:, base])
    rows = max(1, int(settings.rows * len(targets)))
    columns = max(1, round(settings.columns * len(cuts)))
    asked: list[Ints] = []
    places: list[Ints] = []
    values: list[Floats] = []
    for _ in range(settings.rounds):
        probabilities = expit(odds)
        taken = np.sort(random.choice(len(targets), rows, replace=False))
        slopes = (targets - probabilities)[taken]
        weights = (probabilities * (1 - probabilities))[taken]
        among = random.permutation(len(cuts))[:columns]
        sample = binned[among].take(taken, axis=1)
        answers = np.zeros(rows, np.int64)
        questions: list[tuple[int, int]] = []
        for depth in range(settings.questions):
            gains = _gains(sample, answers, 2**depth, bins, slopes, weights, settings)
            gains[~usable[among]] = -np.inf
            column, place = divmod(int(gains.argmax()), bins)
            answers = 2 * answers + (sample[column] > place)
            questions.append((int(among[column]), place))
        leaves = 2**settings.questions
        slope, weight = (np.bincount(answers, one, leaves) for one in (slopes, weights))
        value: Floats = settings.rate * slope / (weight + settings.l2)
        answers = np.zeros(len(targets), np.int64)
        for column, place in questions:
            answers = 2 * answers + (binned[column] > place)
        odds += value[answers]
        asked.append(np.array([column for column, _ in questions]))
        places.append(np.array([place for _, place in questions]))
        values.append(value)
    at = [
        [-np.inf if b == 0 else cuts[f][b - 1] for f, b in zip(*q, strict=True)]
        for q in zip(asked, places, strict=True)
    ]
    return Trees(base, np.stack(asked), np.array(at, float), np.stack(values))


def _cuts(column: Floats, bins: int) -> Floats:
    """Returns thresholds between the values of a feature, ascending; fewer than ``bins``."""
    values = np.unique(column[~np.isnan(column)])
    if len(values) > bins:
        shares = np.linspace(0, 1, bins + 1)[1:-1]
        cuts: Floats = np.unique(np.quantile(column[~np.isnan(column)], shares))
        return cuts
    return (values[1:] + values[:-1]) / 2


def _gains(
    sample: Ints,
    answers: Ints,
    groups: int,
    bins: int,
    slopes: Floats,
    weights: Floats,
    settings: Settings,
) -> Floats:
    """Returns (F, B) gains of the cuts behind each bin, summed over the groups.

    Args:
        sample: (F, D) bins.
        answers: (D,), group of each detection, from 0 to ``groups`` - 1.
        groups: A.
        bins: B.
        slopes: (D,), first derivatives.
        weights: (D,), second derivatives.
        settings: For ``l2`` and ``least``.
    """
    shape = (groups, bins)
    sums = np.empty((2, len(sample), *shape))
    group, places = bins * answers, np.empty_like(answers)
    for number, column in enumerate(sample):
        np.add(column, group, out=places)
        for which, derivatives in enumerate((slopes, weights)):
            sums[which, number] = np.bincount(places, derivatives, groups * bins).reshape(shape)
    below = sums.cumsum(axis=3)
    above = below[..., -1:] - below

    def worth(side: Floats) -> Floats:
        squares: Floats = side[0] ** 2 / (side[1] + settings.l2)
        return squares

    gains = worth(below) + worth(above) - worth(below[..., -1:])
    gains[np.minimum(below[1], above[1]) < settings.least] = 0
    total: Floats = gains.sum(axis=1)
    return total
