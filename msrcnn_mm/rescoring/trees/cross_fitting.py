"""Fits trees on folds of images, so that each image is scored by trees that did not see it.

Shape shorthand: D detections, F features.
"""

from dataclasses import dataclass

import numpy as np

from msrcnn_mm.evaluation.overlaps import Floats, Ints

from .boosting import fit_trees
from .symmetric import Trees

FOLDS = 5

MOST_DETECTIONS = 60_000
"""Greatest number of detections that trees are fitted to, drawn at random from more."""


@dataclass(frozen=True)
class CrossFit:
    """Trees fitted on all folds but one, for each fold.

    Attributes:
        trees: One for each fold.
        scores: (D,), in [0, 1], of each detection by the trees that did not see its image.
    """

    trees: list[Trees]
    scores: Floats


def image_turns(images: Ints, random: np.random.Generator) -> Ints:
    """Returns the (D,) places of detections' images in a random order of the images.

    Args:
        images: (D,), number of each detection's image.
        random: Draws the order.
    """
    distinct, image = np.unique(images, return_inverse=True)
    turns: Ints = random.permutation(len(distinct))[image]
    return turns


def cross_fit(
    features: Floats,
    targets: Floats,
    images: Ints,
    base: int,
    most_images: int | None = None,
) -> CrossFit:
    """Fits trees on the images of all folds but one, and scores those of that fold.

    The order of the detections makes no difference.

    Args:
        features: (D, F).
        targets: (D,), in [0, 1], NaN for detections that are scored and not fitted to.
        images: (D,), number of each detection's image, at least as many images as folds.
        base: Number of the feature that the trees correct, see :func:`.boosting.fit_trees`.
        most_images: Greatest number of images that trees are fitted on, drawn at random.
    """
    order = np.lexsort((targets, *(-features.T[::-1]), images))
    features, targets, images = features[order], targets[order], images[order]
    random = np.random.default_rng(0)
    turns = image_turns(images, random)
    folds = turns % FOLDS
    scores = np.zeros(len(targets))
    ensemble = []
    for fold in range(FOLDS):
        fitted_on = np.unique(turns[folds != fold])[:most_images]
        rows = np.flatnonzero(np.isin(turns, fitted_on) & ~np.isnan(targets))
        if len(rows) > MOST_DETECTIONS:
            rows = np.sort(random.choice(rows, MOST_DETECTIONS, replace=False))
        trees = fit_trees(features[rows], targets[rows], base, seed=fold)
        own = folds == fold
        scores[order[own]] = trees.apply(features[own])
        ensemble.append(trees)
    return CrossFit(ensemble, scores)
