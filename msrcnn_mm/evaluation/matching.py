"""Matches detections with instances as COCO does, best-ranked detection first.

pycocotools compares every detection with every instance at every threshold, in Python. Here only
detections that overlap an instance enough are looked at: the best-ranked of all images together,
then the second ones, and so on. All others find nothing.

Shape shorthand: D detections, U candidates, P pairs, T thresholds.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .overlaps import Bools, Floats, Ints, Overlaps
from .protocol import AREA_RANGES, Protocol

NONE = -1


@dataclass(frozen=True)
class Order:
    """One order of D detections.

    Attributes:
        detections: (D,), class after class, the best-ranked first.
        places: (D,), place of each detection among those of its class and image, from 0.
    """

    detections: Ints
    places: Ints

    @classmethod
    def by(cls, scores: Floats, overlaps: Overlaps) -> "Order":
        """Returns the order by (D,) scores; of equal ones the first is better."""
        detections = np.concatenate(
            [np.zeros(0, np.int64)]
            + [
                start + np.argsort(-scores[start:end], kind="stable")
                for start, end in pairwise(overlaps.bounds)
            ]
        )
        places = np.empty(len(detections), np.int64)
        places[detections] = _places(overlaps.groups[detections])
        return cls(detections, places)


@dataclass(frozen=True)
class Matches:
    """Matches of U candidates, in the order in which they were taken.

    Attributes:
        pairs: (T, U), the pair by which a candidate found an instance; :data:`NONE` without one.
        correct: (T, U), which candidates found an instance that counts.
        ignored: (T, U), which candidates count neither as correct nor as false alarms: they found
            a crowd region or an instance of another size, or nothing and are of another size.
        outside: (D,), which detections are of another size; those that are no candidates are
            ignored, too.
    """

    pairs: Ints
    correct: Bools
    ignored: Bools
    outside: Bools


class Candidates:
    """Detections that overlap an instance enough to be matched; the others are false alarms.

    Args:
        overlaps: Of D detections.
        order: Of these.
        thresholds: (T,), least IoU of a match; at 0 any overlap makes one.
        max_det: Number of best-ranked detections of a class in an image that count.

    Attributes:
        detections: (U,), in their order.
        positions: (U,), their positions in the order.
    """

    def __init__(self, overlaps: Overlaps, order: Order, thresholds: Floats, max_det: int) -> None:
        self._overlaps = overlaps
        self._thresholds = np.minimum(thresholds, 1 - 1e-10)[:, None]  # as in pycocotools
        pairs = overlaps.by_iou
        detection = overlaps.pairs[pairs, 0]
        near = overlaps.ious[pairs] >= self._thresholds.min()
        near &= order.places[detection] < max_det
        pairs, detection = pairs[near], detection[near]
        number = np.zeros(len(order.detections), np.int64)
        number[detection] = 1
        self.positions = np.flatnonzero(number[order.detections])
        self.detections = order.detections[self.positions]
        number[self.detections] = np.arange(len(self.detections))
        turns = _places(overlaps.groups[self.detections])
        by_turn = np.argsort(turns[number[detection]], kind="stable")
        self._pairs, self._candidates = pairs[by_turn], number[detection][by_turn]
        self._edges = np.searchsorted(turns[self._candidates], np.arange(turns.max(initial=-1) + 2))

    def match(self, area_range: tuple[float, float]) -> Matches:
        """Matches candidates with instances.

        At each threshold a candidate takes the instance that overlaps most of those that are free
        and count, or else of those that are ignored: crowd regions, which are never used up, and
        instances of another size. Of equal overlaps the later instance wins.

        Args:
            area_range: Smallest and largest area in pixels of the instances that count.
        """
        overlaps = self._overlaps
        counts = ~(overlaps.crowds | _outside(overlaps.instance_areas, area_range))
        # sorted so that a candidate takes the last of its pairs that is possible
        firsts = np.diff(self._candidates, prepend=-1) != 0
        own = 2 * np.cumsum(firsts) + counts[overlaps.pairs[self._pairs, 1]]
        pairs = self._pairs[np.argsort(own, kind="stable")]
        instance, reaches = overlaps.pairs[pairs, 1], overlaps.ious[pairs] >= self._thresholds
        found = np.full((len(self._thresholds), len(self.detections)), NONE)
        taken = np.zeros((len(self._thresholds), len(counts)), bool)
        for start, end in pairwise(self._edges):
            possible = reaches[:, start:end] & ~taken[:, instance[start:end]]
            heads = np.flatnonzero(firsts[start:end])
            last = np.where(possible, np.arange(start, end), NONE)
            best = np.maximum.reduceat(last, heads, axis=1)
            t, which = np.nonzero(best != NONE)
            pair = best[t, which]
            found[t, self._candidates[pair]] = pairs[pair]
            used = ~overlaps.crowds[instance[pair]]
            taken[t[used], instance[pair[used]]] = True

        matched = found != NONE
        of_match = np.append(overlaps.pairs[:, 1], 0)[found]  # the 0 is for those without a pair
        known = matched & np.append(overlaps.findable, False)[of_match]
        of_match_counts = np.append(counts, False)[of_match]
        outside = _outside(overlaps.areas, area_range)
        ignored = matched & ~of_match_counts | ~known & outside[self.detections]
        return Matches(found, known & of_match_counts, ignored, outside)


def matched_ious(
    overlaps: Overlaps, scores: Floats, protocol: Protocol, thresholds: tuple[float, ...]
) -> Floats:
    """Returns the IoU of each detection with the instance that it finds.

    Args:
        overlaps: Of D detections.
        scores: (D,), to rank by.
        protocol: Its ``ap_max_dets`` best-ranked detections of a class in an image count.
        thresholds: T least IoUs of a match; at 0 any overlap makes one.

    Returns:
        (T, D): the IoU of a correct detection; 0 for a false alarm or a duplicate; NaN for a
        detection that does not count, in a crowd region or beyond the most detections.
    """
    parts = [
        _of_classes(part, scores[own], protocol, thresholds)
        for part, own in overlaps.class_blocks()
    ]
    return np.concatenate(parts, axis=1)


def _of_classes(
    overlaps: Overlaps, scores: Floats, protocol: Protocol, thresholds: tuple[float, ...]
) -> Floats:
    order = Order.by(scores, overlaps)
    candidates = Candidates(overlaps, order, np.array(thresholds), protocol.ap_max_dets)
    matches = candidates.match(AREA_RANGES[0])
    found = np.zeros((len(thresholds), len(scores)))
    found[:, matches.outside | (order.places >= protocol.ap_max_dets)] = np.nan
    own = np.where(matches.correct, np.append(overlaps.ious, 0)[matches.pairs], 0)
    own[matches.ignored] = np.nan
    found[:, candidates.detections] = own
    return found


def _places(groups: Ints) -> Ints:
    """Returns the (D,) places of ordered detections among those of their group, from 0."""
    by_group = np.argsort(groups, kind="stable")
    groups = groups[by_group]
    places = np.empty(len(groups), np.int64)
    places[by_group] = np.arange(len(groups)) - np.searchsorted(groups, groups)
    return places


def _outside(areas: Floats, area_range: tuple[float, float]) -> Bools:
    low, high = area_range
    return (areas < low) | (areas > high)
