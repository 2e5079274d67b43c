"""Computes AP and LaECE_0 on images drawn with replacement.

Matches are made within an image, so they are the same however often an image is drawn. A resample
weights the detections and instances of an image by the number of times that it was drawn; no
detection is matched again. The figures are those of a data set in which the images are there that
often, with the copies of a detection side by side where scores are equal.

The bootstrap is that of Efron, "Bootstrap Methods: Another Look at the Jackknife", Annals of
Statistics 1979, with images as units, because the detections of one image depend on each other.

Shape shorthand: B resamples, N images, D detections, U detections that find an instance at any
threshold, P at one threshold, T thresholds.
"""

from itertools import pairwise
from typing import Any

import numpy as np
from scipy import sparse

from .calibration_errors import LAECE_BINS, bin_numbers
from .matching import Candidates, Order
from .overlaps import Bools, Floats, Ints, Overlaps
from .protocol import AREA_RANGES, RECALLS, Protocol

RESAMPLES = 1000

_SEED = 0
_BLOCK = 256  # detections a step; more would leave the processor's cache

# 100 * recall is an integer where the recall is that of RECALLS, but some of these are rounded up
_ROUNDED_UP = (np.arange(len(RECALLS)) / 100 < RECALLS).astype(float)


def draw_images(images: int) -> Floats:
    """Returns (N, B): how often each of N images is drawn in each of B resamples.

    The same number of images gives the same draws, so that figures of several rankings or detectors
    can be compared resample by resample.
    """
    drawn = np.random.default_rng(_SEED).integers(images, size=(RESAMPLES, images))
    counts = [np.bincount(one, minlength=images) for one in drawn]
    return np.stack(counts, axis=1).astype(float)


def resampled_aps(overlaps: Overlaps, scores: Floats, protocol: Protocol, draws: Floats) -> Floats:
    """Returns (B,) APs of one ranking; NaN for a resample without ground truth.

    Args:
        overlaps: Of D detections in N images.
        scores: (D,), to rank by, in the order of ``overlaps``.
        protocol: That of ``overlaps``.
        draws: (N, B), from :func:`draw_images`.
    """
    order = Order.by(scores, overlaps)
    thresholds = np.asarray(protocol.iou_thrs, float)
    candidates = Candidates(overlaps, order, thresholds, protocol.ap_max_dets)
    matches = candidates.match(AREA_RANGES[0])
    bounds = np.searchsorted(candidates.positions, overlaps.bounds)
    images = overlaps.images[order.detections]
    total, classes = np.zeros(draws.shape[1]), np.zeros(draws.shape[1])
    for k, instances in enumerate(_instances(overlaps, draws)):
        own, of_class = slice(*bounds[k : k + 2]), slice(*overlaps.bounds[k : k + 2])
        within = order.places[order.detections[of_class]] < protocol.ap_max_dets
        places = np.cumsum(within)[candidates.positions[own] - of_class.start] - 1
        total += _class_aps(
            matches.correct[:, own],
            matches.ignored[:, own],
            places,
            images[of_class][within],
            instances,
            draws,
        )
        classes += instances > 0
    return _mean(total, classes)


def resampled_laeces(overlaps: Overlaps, scores: Floats, matched: Floats, draws: Floats) -> Floats:
    """Returns (B,) LaECE_0 of one score, mean over classes; NaN for a resample without any.

    Args:
        overlaps: Of D detections in N images.
        scores: (D,), in [0, 1], in the order of ``overlaps``.
        matched: (D,), IoU with the instance found where any overlap makes a match; 0 for a false
            alarm, NaN for a detection that does not count.
        draws: (N, B), from :func:`draw_images`.
    """
    total, classes = np.zeros(draws.shape[1]), np.zeros(draws.shape[1])
    instances = _instances(overlaps, draws)
    for (start, end), of_class in zip(pairwise(overlaps.bounds), instances, strict=True):
        own = start + np.flatnonzero(~np.isnan(matched[start:end]))
        images, number = np.unique(overlaps.images[own], return_inverse=True)
        cells = bin_numbers(scores[own], LAECE_BINS) * len(images) + number
        errors = np.bincount(cells, scores[own] - matched[own], LAECE_BINS * len(images))
        drawn = draws[images]
        sums = errors.reshape(LAECE_BINS, -1) @ drawn
        counts = np.bincount(number, minlength=len(images)) @ drawn
        known = (counts > 0) & (of_class > 0)
        total += np.where(known, np.abs(sums).sum(axis=0) / np.maximum(counts, 1), 0)
        classes += known
    return _mean(total, classes)


def _mean(total: Floats, classes: Floats) -> Floats:
    """Returns (B,) means; NaN where no class counts."""
    mean: Floats = np.divide(total, classes, where=classes > 0, out=np.full(len(total), np.nan))
    return mean


def _instances(overlaps: Overlaps, draws: Floats) -> Floats:
    """Returns (K, B) numbers of instances of each class."""
    own = ~overlaps.crowds
    numbers: Floats = _tally(
        overlaps.instance_classes[own],
        overlaps.instance_images[own],
        (len(overlaps.bounds) - 1, len(draws)),
    )
    return numbers @ draws


def _tally(rows: Ints, images: Ints, shape: tuple[int, int]) -> Any:
    """Returns the sparse matrix of how often each pair of a row and an image is given."""
    return sparse.csr_array((np.ones(len(rows)), (rows, images)), shape=shape)


def _class_aps(
    correct: Bools,
    ignored: Bools,
    places: Ints,
    images: Ints,
    instances: Floats,
    draws: Floats,
) -> Floats:
    """Returns (B,) APs of one class; 0 without ground truth.

    Detections are taken in blocks, the last one first: the best precision at a recall or beyond is
    then known when the recall comes.

    Args:
        correct: (T, U), which candidates of the class are correct, best-ranked first.
        ignored: (T, U), which count neither as correct nor as false alarms.
        places: (U,), their places among the detections of the class.
        images: (D,), images of these detections, best-ranked first.
        instances: (B,), numbers of instances to find.
        draws: (N, B).
    """
    found = np.flatnonzero(correct.any(axis=0))
    correct, of_found = correct[:, found].astype(float), images[places[found]]
    blocks = [slice(start, start + _BLOCK) for start in range(0, len(found), _BLOCK)]
    # numbers of correct detections down to the end of the block at hand
    true_above = np.zeros((len(correct), draws.shape[1]))
    for rows in blocks:
        true_above += correct[:, rows] @ draws[of_found[rows]]
    seen = _Counts(places[found], np.arange(len(images)), images, draws)
    skipped = [
        _Counts(places[found[one > 0]], places[no], images, draws) if no.any() else None
        for one, no in zip(correct, ignored, strict=True)
    ]
    best = np.zeros((len(correct), draws.shape[1]))
    aps = np.zeros(draws.shape[1])
    for rows in reversed(blocks):
        drawn = draws[of_found[rows]]
        down_to = seen.take(len(drawn))
        for t, of_block in enumerate(correct[:, rows] > 0):
            if not of_block.any():
                continue
            counted, without = down_to[of_block], skipped[t]
            if without is not None:
                counted -= without.take(len(counted))
            true = drawn[of_block]
            true_above[t] -= true.sum(axis=0)
            true[0] += true_above[t]
            aps += _areas(_add_up(true), counted, np.maximum(instances, 1), best[t])
    return np.where(instances > 0, aps / len(correct), 0)


class _Counts:
    """Counts some detections down to each of P places of a ranking, in resamples.

    Args:
        places: (P,), ascending.
        some: Places of the detections to count, ascending.
        images: (D,), of the detections, best-ranked first.
        draws: (N, B).
    """

    def __init__(self, places: Ints, some: Ints, images: Ints, draws: Floats) -> None:
        rows = np.searchsorted(places, some)
        some, rows = images[some[rows < len(places)]], rows[rows < len(places)]
        self._parts = _tally(rows, some, (len(places), len(draws)))
        (self._above,) = _tally(np.zeros_like(rows), some, (1, len(draws))) @ draws
        self._draws = draws
        self._left = len(places)

    def take(self, many: int) -> Floats:
        """Returns (many, B) counts of the last rows that were not taken before."""
        counts: Floats = self._parts[self._left - many : self._left] @ self._draws
        self._left -= many
        self._above = self._above - counts.sum(axis=0)
        counts[0] += self._above
        return _add_up(counts)


def _add_up(counts: Floats) -> Floats:
    """Adds to each of (P, B) rows those above it, in place; np.cumsum is slow along this axis."""
    for row in range(1, len(counts)):
        counts[row] += counts[row - 1]
    return counts


def _areas(true: Floats, counted: Floats, instances: Floats, best_below: Floats) -> Floats:
    """Returns (B,) parts of AP of P correct detections.

    AP is the mean over COCO's 101 recalls of the best precision at each or beyond.

    Args:
        true: (P, B), number of correct detections down to each, best-ranked first. Overwritten.
        counted: (P, B), number of detections down to each. Overwritten.
        instances: (B,), number of instances to find.
        best_below: (B,), best precision at the correct detections below; then with those here.
    """
    counted += np.spacing(1)  # as in pycocotools
    best = np.divide(true, counted, out=counted)
    below = best_below.copy()
    np.maximum(best[-1], best_below, out=best[-1])
    for row in range(len(best) - 2, -1, -1):
        np.maximum(best[row], best[row + 1], out=best[row])
    best_below[:] = best[0]
    true *= 100
    true /= instances
    reached = np.floor(true)
    whole = np.flatnonzero(true == reached)
    reached += 1
    reached.ravel()[whole] -= _ROUNDED_UP[true.ravel()[whole].astype(np.int64)]
    areas: Floats = np.einsum("pb,pb->b", best, reached)
    areas -= np.einsum("pb,pb->b", best[1:], reached[:-1])
    areas -= below * reached[-1]
    return areas / len(RECALLS)
