"""Tests by simulation that promises are kept, whatever the scores and the dependence of masks."""

from dataclasses import dataclass

import numpy as np
import pytest

from msrcnn_mm.rescoring.promises.cuts import ScoredMasks
from msrcnn_mm.rescoring.promises.promise import Promise, PromiseSearch, Terms

SPLITS = 1000


@dataclass(frozen=True)
class Population:
    """Masks of images: (images, 5) scores, NaN where an image has fewer, and IoUs."""

    scores: np.ndarray
    ious: np.ndarray

    def take(self, images: np.ndarray) -> tuple[ScoredMasks, np.ndarray]:
        scores = self.scores[images]
        image, place = np.nonzero(~np.isnan(scores))
        masks = ScoredMasks(scores[image, place], image, len(images))
        return masks, self.ious[images][image, place]

    def holds(self, cut: float, most: int, terms: Terms) -> bool:
        """Whether the terms hold for all images with at most so many accepted masks."""
        accepted = self.scores >= cut
        accepted &= accepted.sum(axis=1, keepdims=True) <= most
        ious = self.ious[accepted]
        return (ious > 0).mean() >= terms.share and ious.mean() >= terms.mean_iou


def population(kind: str, size: int = 20_000) -> Population:
    rng = np.random.default_rng(5)
    scores = rng.random((size, 5))
    scores[np.arange(5) >= rng.integers(0, 6, size)[:, None]] = np.nan
    lots = rng.random((size, 1 if "dependent" in kind else 5))
    # "level": every cut has a share that breaks the promise; otherwise it rises with the score
    chance = 0.78 if "level" in kind else 0.6 + 0.4 * scores
    right = np.broadcast_to(lots, scores.shape) < chance
    return Population(scores, right * rng.uniform(0.75, 1, scores.shape))


@pytest.mark.parametrize(
    ("kind", "images"),
    [("level", 100), ("level dependent", 25), ("rising", 100), ("rising dependent", 100)],
)
def test_promises_are_kept(kind: str, images: int) -> None:
    drawn, terms = population(kind), Terms(share=0.8, mean_iou=0.65)
    rng = np.random.default_rng(6)
    made = broken = 0
    for _ in range(SPLITS):
        chosen = rng.choice(len(drawn.scores), images + 60, replace=False)
        others, _ = drawn.take(chosen[images:])
        promise = PromiseSearch(*drawn.take(chosen[:images]), others).promise(terms)
        if promise.cut is not None:
            made += 1
            most = int(others.per_image(np.array([promise.cut])).max())
            broken += not drawn.holds(promise.cut, most, terms)
    assert broken <= SPLITS * 0.05 + 2 * np.sqrt(SPLITS * 0.05 * 0.95)
    assert made > SPLITS / 2 if kind.startswith("rising") else made == broken


def masks_of(scores: list[list[float]]) -> ScoredMasks:
    images = [number for number, own in enumerate(scores) for _ in own]
    return ScoredMasks(
        np.concatenate([np.array(own) for own in scores]), np.array(images, int), len(scores)
    )


def test_a_promise_counts_the_masks_of_the_other_images() -> None:
    labelled = masks_of([[0.9, 0.8]] * 100 + [[]] * 5)
    others = masks_of([[0.9, 0.3], [0.85], [], [0.9, 0.8]] * 30)
    ious = np.full(200, 0.9)
    search = PromiseSearch(labelled, ious, others)
    assert search.promise(Terms()) == Promise(0.3, 150, 0, 1.0, pytest.approx(0.9))
    ious[::10] = 0  # masks of score 0.9 of every fifth image
    broken = PromiseSearch(labelled, ious, others).promise(Terms())
    assert broken.cut is None and (broken.accepted, broken.left) == (0, 150)
    assert broken.share == pytest.approx(0.8)  # at the first cut


def test_the_mean_iou_is_promised_as_well() -> None:
    masks = masks_of([[0.9, 0.8]] * 100)
    search = PromiseSearch(masks, np.tile([0.9, 0.55], 100), masks)
    assert search.promise(Terms(mean_iou=0.8)).cut == 0.9
    assert search.promise(Terms(mean_iou=0.65)).cut == 0.8


def test_needed_images_are_enough_and_no_fewer_are() -> None:
    masks = masks_of([[0.9]] * 20)
    search = PromiseSearch(masks, np.full(20, 0.95), masks)
    assert search.promise(Terms()).cut is None
    needed = search.images_needed(Terms())
    assert needed is not None and 59 <= needed <= 75
    repeated = masks_of([[0.9]] * needed)
    assert PromiseSearch(repeated, np.full(needed, 0.95), masks).promise(Terms()).cut == 0.9
    wrong = PromiseSearch(masks, np.tile([0, 0.95], 10), masks)
    assert wrong.images_needed(Terms()) is None


def test_without_masks_nothing_is_promised() -> None:
    none = masks_of([[], []])
    promise = PromiseSearch(masks_of([[0.9]]), np.ones(1), none).promise(Terms())
    assert (promise.cut, promise.accepted, promise.left) == (None, 0, 0)
    unseen = PromiseSearch(none, np.zeros(0), masks_of([[0.9]])).promise(Terms())
    assert unseen.cut is None and unseen.left == 1 and np.isnan(unseen.share)
