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

import numpy as np
from scipy import sparse

from .calibration_errors import LAECE_BINS, bin_numbers
from .matching import Matches, match, ranks
from .overlaps import Floats, Ints, Overlaps
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
    places = ranks(overlaps, scores)
    thresholds = np.asarray(protocol.iou_thrs, float)
    matches = match(overlaps, places, thresholds, AREA_RANGES[0], protocol.ap_max_dets)
    total, classes = np.zeros(draws.shape[1]), np.zeros(draws.shape[1])
    for k, (start, end) in enumerate(pairwise(overlaps.bounds)):
        counts = _instances(overlaps, k, draws)
        order = start + np.argsort(-scores[start:end], kind="stable")
        order = order[places[order] < protocol.ap_max_dets]
        total += _class_aps(matches, order, overlaps.images[order], counts, draws)
        classes += counts > 0
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
    images = len(draws)
    for k, (start, end) in enumerate(pairwise(overlaps.bounds)):
        own = start + np.flatnonzero(~np.isnan(matched[start:end]))
        cells = bin_numbers(scores[own], LAECE_BINS) * images + overlaps.images[own]
        errors = np.bincount(cells, scores[own] - matched[own], LAECE_BINS * images)
        sums = errors.reshape(LAECE_BINS, images) @ draws
        counts = np.bincount(overlaps.images[own], minlength=images) @ draws
        known = (counts > 0) & (_instances(overlaps, k, draws) > 0)
        total += np.where(known, np.abs(sums).sum(axis=0) / np.maximum(counts, 1), 0)
        classes += known
    return _mean(total, classes)


def _mean(total: Floats, classes: Floats) -> Floats:
    """Returns (B,) means; NaN where no class counts."""
    mean: Floats = np.divide(total, classes, where=classes > 0, out=np.full(len(total), np.nan))
    return mean


def _instances(overlaps: Overlaps, category: int, draws: Floats) -> Floats:
    """Returns (B,) numbers of instances of a class."""
    own = (overlaps.instance_classes == category) & ~overlaps.crowds
    number: Floats = np.bincount(overlaps.instance_images[own], minlength=len(draws)) @ draws
    return number


def _class_aps(
    matches: Matches, order: Ints, images: Ints, instances: Floats, draws: Floats
) -> Floats:
    """Returns (B,) APs of one class; 0 without ground truth.

    Detections are taken in blocks, the last one first: the best precision at a recall or beyond is
    then known when the recall comes.

    Args:
        matches: Of all detections.
        order: (D,), detections of the class, best-ranked first.
        images: (D,), their images.
        instances: (B,), numbers of instances to find.
        draws: (N, B).
    """
    correct, ignored = matches.correct[:, order], matches.ignored[:, order]
    found = np.flatnonzero(correct.any(axis=0))
    places = [np.flatnonzero(one) for one in correct]
    edges = [np.searchsorted(one, np.append(found[::_BLOCK], len(order))) for one in places]
    seen = _Counts(found, np.arange(len(order)), images, draws)
    true = [_Counts(one, one, images, draws) for one in places]
    skipped = [
        _Counts(one, np.flatnonzero(no), images, draws) if no.any() else None
        for one, no in zip(places, ignored, strict=True)
    ]
    best = np.zeros((len(correct), draws.shape[1]))
    aps = np.zeros(draws.shape[1])
    for block in reversed(range(-(-len(found) // _BLOCK))):
        rows = slice(block * _BLOCK, (block + 1) * _BLOCK)
        down_to = seen.take(rows)
        for t, own in enumerate(correct[:, found[rows]]):
            if own.any():
                part = slice(edges[t][block], edges[t][block + 1])
                counted, without = down_to[own], skipped[t]
                if without is not None:
                    counted -= without.take(part)
                aps += _areas(true[t].take(part), counted, np.maximum(instances, 1), best[t])
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
        entries = (np.ones(len(rows)), (rows, some))
        self._parts = sparse.csr_array(entries, shape=(len(places), len(draws)))
        self._above = np.bincount(some, minlength=len(draws)) @ draws
        self._draws = draws

    def take(self, rows: slice) -> Floats:
        """Returns (rows, B) counts. The rows are those above the rows taken before."""
        counts: Floats = self._parts[rows] @ self._draws
        self._above = self._above - counts.sum(axis=0)
        counts[0] += self._above
        for row in range(1, len(counts)):  # np.cumsum is slow along this axis
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
    for row in reversed(best):
        np.maximum(row, best_below, out=row)
        best_below[:] = row
    true *= 100
    true /= instances
    reached = np.floor(true)
    late = _ROUNDED_UP.take(reached.astype(np.int64))
    late *= true == reached
    reached += 1
    reached -= late
    areas: Floats = np.einsum("pb,pb->b", best, reached)
    areas -= np.einsum("pb,pb->b", best[1:], reached[:-1])
    areas -= below * reached[-1]
    return areas / len(RECALLS)
