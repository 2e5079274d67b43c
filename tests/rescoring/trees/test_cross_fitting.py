import numpy as np
import pytest

from msrcnn_mm.rescoring.trees import cross_fitting
from msrcnn_mm.rescoring.trees.cross_fitting import FOLDS, cross_fit

IMAGES, A_IMAGE = 20, 30


def sample():
    """Returns features, targets that their last column gives, and images.

    The feature 1 is the image's number: trees that have seen the image know its target.
    """
    rng = np.random.default_rng(0)
    image = np.repeat(np.arange(IMAGES), A_IMAGE)
    features = np.column_stack((np.full(len(image), 0.5), image, rng.random(len(image))))
    return features, features[:, 2], image


def test_images_are_scored_by_trees_that_did_not_see_them():
    features, _, image = sample()
    by_image = np.random.default_rng(1).integers(0, 2, IMAGES)[image].astype(float)
    features = features[:, :2]
    fitted = cross_fit(features, by_image, image, base=0)
    seen = np.mean([trees.apply(features) for trees in fitted.trees], axis=0)
    assert np.corrcoef(seen, by_image)[0, 1] > 0.8
    assert np.corrcoef(fitted.scores, by_image)[0, 1] < 0.5
    assert len(fitted.trees) == FOLDS


def test_scores_are_those_of_one_of_the_trees():
    features, targets, image = sample()
    fitted = cross_fit(features, targets, image, base=0)
    each = np.stack([trees.apply(features) for trees in fitted.trees])
    of_image = (each == fitted.scores).reshape(FOLDS, IMAGES, A_IMAGE).all(axis=2)
    assert (of_image.sum(axis=0) == 1).all()
    assert (of_image.sum(axis=1) == IMAGES / FOLDS).all()
    assert np.corrcoef(fitted.scores, targets)[0, 1] > 0.95


def test_detections_without_a_target_are_scored_and_not_fitted_to():
    features, targets, image = sample()
    known = np.random.default_rng(7).random(len(targets)) < 0.7
    fitted = cross_fit(features, np.where(known, targets, np.nan), image, base=0)
    assert np.corrcoef(fitted.scores[~known], targets[~known])[0, 1] > 0.9


@pytest.mark.parametrize("images", [3, 16, None])
def test_number_of_images_fitted_on(images, monkeypatch):
    features, targets, image = sample()
    rows = []

    def count(features, targets, base, seed):
        rows.append(len(np.unique(features[:, 1])))
        return fit(features, targets, base, seed=seed)

    fit = cross_fitting.fit_trees
    monkeypatch.setattr(cross_fitting, "fit_trees", count)
    cross_fit(features, targets, image, base=0, most_images=images)
    assert rows == [images or IMAGES - IMAGES // FOLDS] * FOLDS


def test_many_detections_are_drawn_from(monkeypatch):
    features, targets, image = sample()
    monkeypatch.setattr(cross_fitting, "MOST_DETECTIONS", 100)
    fitted = cross_fit(features, targets, image, base=0)
    assert np.corrcoef(fitted.scores, targets)[0, 1] > 0.5
