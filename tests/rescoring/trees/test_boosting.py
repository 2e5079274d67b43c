"""Tests boosted trees: against known functions, a plain implementation, and scikit-learn."""

import json

import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import spearmanr

from msrcnn_mm.errors import UserError
from msrcnn_mm.rescoring.trees.boosting import Settings, fit_trees
from msrcnn_mm.rescoring.trees.symmetric import Trees, mean_probabilities


def sample(seed: int, many: int = 4000):
    """Returns features, of which three matter, their probabilities, and noisy targets.

    The feature 0 is the same for all: a base score that knows nothing.
    """
    rng = np.random.default_rng(seed)
    features = rng.random((many, 6))
    features[:, 0] = 0.4
    truth = expit(4 * features[:, 1] - 3 * np.abs(features[:, 2] - 0.5) * features[:, 3] - 2)
    return features, truth, np.clip(truth + rng.normal(0, 0.2, many), 0, 1)


def plain(trees: Trees, row: np.ndarray) -> float:
    """Applies trees to one detection, question by question."""
    odds = logit(min(max(row[trees.base], 0.001), 0.999))
    for features, thresholds, values in zip(
        trees.features, trees.thresholds, trees.values, strict=True
    ):
        place = ""
        for feature, threshold in zip(features, thresholds, strict=True):
            place += "1" if not np.isnan(row[feature]) and row[feature] > threshold else "0"
        odds += values[int(place, 2)]
    return float(expit(odds))


def test_trees_find_the_function_that_made_the_targets():
    features, _, targets = sample(0)
    trees = fit_trees(features, targets, base=0)
    other, truth, _ = sample(1)
    found = trees.apply(other)
    assert spearmanr(found, truth).statistic > 0.98
    assert np.abs(found - truth).mean() < 0.04


def test_trees_correct_the_base_score():
    features, truth, targets = sample(0)
    features[:, 0] = expit(logit(truth) + (features[:, 4] > 0.5))  # too high for half of them
    found = fit_trees(features, targets, base=0, settings=Settings(rounds=60)).apply(features)
    blind = features.copy()
    blind[:, 0] = 0.4
    alone = fit_trees(blind, targets, base=0, settings=Settings(rounds=60)).apply(blind)
    assert np.abs(found - truth).mean() < 0.5 * np.abs(alone - truth).mean()


def test_as_good_as_scikit_learn():
    ensemble = pytest.importorskip("sklearn.ensemble")
    features, _, targets = sample(0)
    other, truth, _ = sample(1)
    theirs = ensemble.HistGradientBoostingRegressor(
        learning_rate=0.04, max_iter=200, max_leaf_nodes=8, min_samples_leaf=60
    ).fit(features, targets)
    error = np.abs(fit_trees(features, targets, base=0).apply(other) - truth).mean()
    assert error < 1.1 * np.abs(theirs.predict(other) - truth).mean()


def test_application_is_that_of_question_by_question():
    features, _, targets = sample(2, 500)
    features[np.random.default_rng(0).random(features.shape) < 0.2] = np.nan
    features[:, 0] = 0.3
    trees = fit_trees(features, targets, base=0, settings=Settings(rounds=20, least=0.1))
    assert np.isneginf(trees.thresholds).any()  # some questions are whether there is a value
    expected = [plain(trees, row) for row in features[:100]]
    assert trees.apply(features[:100]) == pytest.approx(expected)


def test_a_missing_value_is_information():
    features = np.full((2000, 2), 0.5)
    features[::2, 1] = np.nan
    targets = np.where(np.isnan(features[:, 1]), 0.8, 0.2)
    found = fit_trees(features, targets, base=0).apply(features)
    assert found == pytest.approx(targets, abs=0.08)


def test_without_trees_the_base_score_stays():
    trees = Trees(1, np.zeros((0, 3), int), np.zeros((0, 3)), np.zeros((0, 8)))
    assert trees.apply(np.array([[9, 0.25], [9, 0.0], [9, 1.0]])) == pytest.approx(
        [0.25, 0.001, 0.999]
    )
    assert len(trees.apply(np.zeros((0, 2)))) == 0


def test_the_same_seed_gives_the_same_trees():
    features, _, targets = sample(0, 300)
    few = Settings(rounds=5)
    one, same, other = (fit_trees(features, targets, 0, few, seed) for seed in (3, 3, 4))
    assert one.to_json() == same.to_json() != other.to_json()
    both = mean_probabilities([one, other], features)
    assert both == pytest.approx((one.apply(features) + other.apply(features)) / 2)


def test_constant_features_and_targets_are_no_error():
    features = np.full((50, 3), 0.5)
    found = fit_trees(features, np.zeros(50), base=0).apply(features)
    assert (found < 0.1).all() and np.isfinite(found).all()
    features[:, 2] = np.nan
    assert np.isfinite(fit_trees(features, np.ones(50), base=0).apply(features)).all()


def test_the_same_after_json():
    features, _, targets = sample(0, 800)
    features[::3, 4] = np.nan
    trees = fit_trees(features, targets, base=0)
    back = Trees.from_json(json.loads(json.dumps(trees.to_json(), allow_nan=False)), 6)
    assert (back.apply(features) == trees.apply(features)).all()


SOUND = {"base": 1, "features": [[0, 1]], "thresholds": [[0.5, None]], "values": [[1, 2, 3, 4]]}


@pytest.mark.parametrize(
    "change",
    [
        {"base": 2},
        {"base": -1},
        {"base": 0.0},
        {"base": None},
        {"features": [[0, 2]]},
        {"features": [[0, -1]]},
        {"features": [[0.0, 1.0]]},
        {"features": [["0", "1"]]},
        {"features": [[0]]},
        {"features": 3},
        {"thresholds": [[0.5]]},
        {"thresholds": [[0.5, float("nan")]]},
        {"thresholds": [[0.5, "a"]]},
        {"values": [[1, 2, 3]]},
        {"values": [[1, 2, 3, float("inf")]]},
        {"values": [[1, 2, 3, None]]},
        {"values": [[1, 2], [3, 4]]},
    ],
)
def test_damaged_trees_are_refused(change):
    assert Trees.from_json(SOUND, 2).apply(np.zeros((1, 2))).shape == (1,)
    with pytest.raises(UserError, match="trees are damaged"):
        Trees.from_json(SOUND | change, 2)
    for name in change:
        with pytest.raises(UserError, match="trees are damaged"):
            Trees.from_json({k: v for k, v in SOUND.items() if k != name}, 2)


@pytest.mark.parametrize("content", [None, [], "trees", 3])
def test_other_content_is_no_trees(content):
    with pytest.raises(UserError, match="trees are damaged"):
        Trees.from_json(content, 2)
