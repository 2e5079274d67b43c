"""Computes AP and LaECE_0 on images drawn with replacement.

Matches are made within an image, so they are the same however often an image is drawn. A resample
weights the detections and instances of an image by the number of times that it was drawn; no
detection is matched again. The figures are those of a data set in which the images are there that
often, with the copies of a detection side by side where scores are equal.

The bootstrap is that of Efron, "Bootstrap Methods: Another Look at the Jackknife", Annals of
Statistics 1979, with images as units, because the detections of one image depend on each other.

Shape shorthand: B resamples, N images, D detections, U candidates to match an instance, P
matches at one threshold, T thresholds.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from .calibration_errors import LAECE_BINS, bin_numbers
from .matching import Candidates, Order
from .overlaps import Bools, Floats, Ints, Overlaps
from .protocol import AREA_RANGES, RECALLS, Protocol

RESAMPLES = 1000

Draws = NDArray[np.floating[Any]]
"""(N, B), how often each image is drawn; float32 is exact up to 16 million."""

_SEED = 0
_BLOCK = 256  # candidates a step; more would leave the processor's cache
_FEW = 125  # resamples a step of LaECE_0, likewise

# 100 * recall is an integer where the recall is that of RECALLS, but some of these are rounded up
_ROUNDED_UP = (np.arange(len(RECALLS)) / 100 < RECALLS).astype(float)


def draw_images(images: int) -> Draws:
    """Returns (N, B): how often each of N images is drawn in each of B resamples.

    The same number of images gives the same draws, so that figures of several rankings or detectors
    can be compared resample by resample.
    """
    rng = np.random.default_rng(_SEED)
    draws = np.empty((images, RESAMPLES), np.float32)
    for resample in range(RESAMPLES):
        draws[:, resample] = np.bincount(rng.integers(images, size=images), minlength=images)
    return draws


def resampled_aps(overlaps: Overlaps, scores: Floats, protocol: Protocol, draws: Draws) -> Floats:
    """Returns (B,) APs of one ranking; NaN for a resample without ground truth.

    Args:
        overlaps: Of D detections in N images.
        scores: (D,), to rank by, in the order of ``overlaps``.
        protocol: That of ``overlaps``.
        draws: (N, B), from :func:`draw_images`.
    """
    total, classes = np.zeros((2, draws.shape[1]))
    for part, own in overlaps.class_blocks():
        for aps, instances in _aps_by_class(part, scores[own], protocol, draws):
            total += aps
            classes += instances > 0
    return _mean(total, classes)


def _aps_by_class(
    overlaps: Overlaps, scores: Floats, protocol: Protocol, draws: Draws
) -> Iterator[tuple[Floats, Floats]]:
    """Yields the (B,) APs and numbers of instances of each class; 0 without ground truth."""
    order = Order.by(scores, overlaps)
    thresholds = np.asarray(protocol.iou_thrs, float)
    candidates = Candidates(overlaps, order, thresholds, protocol.ap_max_dets)
    matches = candidates.match(AREA_RANGES[0])
    bounds = np.searchsorted(candidates.positions, overlaps.bounds)
    images = overlaps.images[order.detections]
    in_resamples = np.asarray(_instances(overlaps, len(draws)) @ draws, float)
    for k, instances in enumerate(in_resamples):
        own, of_class = slice(*bounds[k : k + 2]), slice(*overlaps.bounds[k : k + 2])
        within = order.places[order.detections[of_class]] < protocol.ap_max_dets
        places = np.cumsum(within)[candidates.positions[own] - of_class.start] - 1
        with np.errstate(invalid="ignore"):  # 0 / 0 where nothing is drawn
            aps = _class_aps(
                matches.correct[:, own],
                matches.ignored[:, own],
                places,
                images[of_class][within],
                instances,
                draws,
            )
        yield aps, instances


def resampled_laeces(overlaps: Overlaps, scores: Floats, matched: Floats, draws: Draws) -> Floats:
    """Returns (B,) LaECE_0 of one score, mean over classes; NaN for a resample without any.

    Args:
        overlaps: Of D detections in N images.
        scores: (D,), in [0, 1], in the order of ``overlaps``.
        matched: (D,), IoU with the instance found where any overlap makes a match; 0 for a false
            alarm, NaN for a detection that does not count.
        draws: (N, B), from :func:`draw_images`.
    """
    parts = [
        _laeces_by_class(part, scores[own], matched[own], draws)
        for part, own in overlaps.class_blocks()
    ]
    errors, known = map(np.concatenate, zip(*parts, strict=True))
    return _mean(errors.sum(axis=0), known.sum(axis=0))


def _laeces_by_class(
    overlaps: Overlaps, scores: Floats, matched: Floats, draws: Draws
) -> tuple[Floats, Bools]:
    """Returns (K, B) LaECE_0, 0 where it is not defined; (K, B) whether it is."""
    own = np.flatnonzero(~np.isnan(matched))
    classes, images = len(overlaps.bounds) - 1, overlaps.images[own]
    of_classes = np.repeat(np.arange(classes), np.diff(overlaps.bounds))[own]
    cells = of_classes * LAECE_BINS + bin_numbers(scores[own], LAECE_BINS)
    errors = sparse.csr_array(
        (scores[own] - matched[own], (cells, images)), shape=(classes * LAECE_BINS, len(draws))
    )
    counts = _tally(of_classes, images, (classes, len(draws)))
    instances = _instances(overlaps, len(draws))
    found = np.zeros((classes, draws.shape[1]))
    known = np.zeros(found.shape, bool)
    for start in range(0, draws.shape[1], _FEW):
        some = slice(start, start + _FEW)
        sums = errors @ draws[:, some].astype(float)
        sums = np.abs(sums).reshape(classes, LAECE_BINS, -1).sum(axis=1)
        counted = counts @ draws[:, some]
        known[:, some] = (counted > 0) & (instances @ draws[:, some] > 0)
        found[:, some] = np.where(known[:, some], sums / np.maximum(counted, 1), 0)
    return found, known


def _mean(total: Floats, classes: Floats) -> Floats:
    """Returns (B,) means; NaN where no class counts."""
    mean: Floats = np.divide(total, classes, where=classes > 0, out=np.full(len(total), np.nan))
    return mean


def _instances(overlaps: Overlaps, images: int) -> Any:
    """Returns the sparse (K, N) numbers of instances of each class in each image."""
    own = ~overlaps.crowds
    return _tally(
        overlaps.instance_classes[own],
        overlaps.instance_images[own],
        (len(overlaps.bounds) - 1, images),
    )


def _tally(rows: Ints, images: Ints, shape: tuple[int, int]) -> Any:
    """Returns the sparse matrix of how often each pair of a row and an image is given."""
    return sparse.csr_array((np.ones(len(rows), np.float32), (rows, images)), shape=shape)


def _class_aps(
    correct: Bools,
    ignored: Bools,
    places: Ints,
    images: Ints,
    instances: Floats,
    draws: Draws,
) -> Floats:
    """Returns (B,) APs of one class; 0 without ground truth.

    Candidates are taken in blocks, the last one first: the best precision at a recall or beyond is
    then known when the recall comes.

    Args:
        correct: (T, U), which candidates of the class are correct, best-ranked first.
        ignored: (T, U), which count neither as correct nor as false alarms.
        places: (U,), their places among the detections of the class.
        images: (D,), images of these detections, best-ranked first.
        instances: (B,), numbers of instances to find.
        draws: (N, B).
    """
    used = np.flatnonzero((correct | ignored).any(axis=0))
    correct, ignored, places = correct[:, used], ignored[:, used], places[used]
    blocks = [slice(start, start + _BLOCK) for start in range(0, len(used), _BLOCK)]
    # the detections between two candidates belong to the second one
    rows = np.searchsorted(places, np.arange(len(images)))
    above = rows < len(places)
    parts = _tally(rows[above], images[above], (len(places), len(draws)))
    # numbers down to the end of the block at hand
    seen = (parts.sum(axis=0) @ draws).astype(float)
    true, skipped = np.zeros((2, len(correct), draws.shape[1]))
    for block in blocks:
        drawn = draws[images[places[block]]]
        true += correct[:, block].astype(drawn.dtype) @ drawn
        skipped += ignored[:, block].astype(drawn.dtype) @ drawn
    steps = _Steps(np.maximum(instances, 1))
    best, aps = np.zeros_like(true), np.zeros(len(instances))
    for block in reversed(blocks):
        weights = list(draws[images[places[block]]].astype(float))
        counts = _down_to(seen, list((parts[block] @ draws).astype(float)))
        for t, (right, no) in enumerate(zip(correct[:, block], ignored[:, block], strict=True)):
            own, out = np.flatnonzero(right), np.flatnonzero(no)
            without = _down_to(skipped[t], [weights[row] for row in out])
            if len(own):
                found = _down_to(true[t], [weights[row] for row in own])
                counted = counts[1:][own]
                counted -= without[np.searchsorted(out, own)]
                aps += _areas(found[1:], counted, steps, best[t])
    aps += best.sum(axis=0)
    return np.where(instances > 0, aps / (len(correct) * len(RECALLS)), 0)


def _down_to(last: Floats, weights: Sequence[Floats]) -> Floats:
    """Returns (P + 1, B) sums of weights above and down to each of P places.

    Args:
        last: (B,), the sum down to the last place. Overwritten with that above the first.
        weights: P weights (B,).
    """
    sums = np.empty((len(weights) + 1, len(last)))
    sums[-1] = last
    rows = list(sums)
    for row in range(len(weights), 0, -1):  # np.cumsum is slow along this axis
        np.subtract(rows[row], weights[row - 1], out=rows[row - 1])
    last[:] = sums[0]
    return sums


class _Steps:
    """Counts the recalls of COCO that are reached, but for recall 0, which always is.

    Args:
        instances: (B,), numbers of instances to find.
    """

    def __init__(self, instances: Floats) -> None:
        self._slopes = 100 / instances * (1 + 1e-12)  # no product falls short of an integer
        # only where these numbers are multiples of 10 can a recall that is rounded up be met
        self._special = np.flatnonzero(instances % 10 == 0)
        self._instances = instances[self._special]

    def reached(self, true: Floats) -> Floats:
        """Returns (P, B) numbers of recalls that (P, B) correct detections reach."""
        reached = true * self._slopes
        np.floor(reached, out=reached)
        recalls = 100 * true.take(self._special, axis=1) / self._instances
        rows, columns = np.nonzero(recalls == np.floor(recalls))
        off = _ROUNDED_UP[recalls[rows, columns].astype(np.int64)]
        reached[rows, self._special[columns]] -= off
        return reached


def _areas(true: Floats, counted: Floats, steps: _Steps, best_below: Floats) -> Floats:
    """Returns the (B,) sums over the recalls reached of the best precision at each or beyond.

    Args:
        true: (P, B), number of correct detections down to each, best-ranked first.
        counted: (P, B), number of detections down to each. Overwritten.
        steps: Of the class.
        best_below: (B,), best precision at the correct detections below; then with those here.
    """
    best = np.divide(true, counted, out=counted)
    below = best_below.copy()
    rows = list(best)
    np.fmax(rows[-1], below, out=rows[-1])  # of NaN and a number the number
    for row in range(len(rows) - 2, -1, -1):
        np.fmax(rows[row], rows[row + 1], out=rows[row])
    best_below[:] = best[0]
    reached = steps.reached(true)
    areas: Floats = np.einsum("pb,pb->b", best, reached)
    areas -= np.einsum("pb,pb->b", best[1:], reached[:-1])
    areas -= below * reached[-1]
    return areas
