"""Matches detections with instances as COCO does, best-ranked detection first.

pycocotools compares every detection with every instance at every threshold, in Python. Here the
best-ranked detections of all images are matched together, then the second ones, and so on.

Shape shorthand: D detections, P pairs, T thresholds.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .overlaps import Bools, Floats, Ints, Overlaps
from .protocol import AREA_RANGES, Protocol

NONE = -1


@dataclass(frozen=True)
class Matches:
    """Matches of detections taken in one order.

    Attributes:
        pairs: (T, D), the pair by which a detection found an instance; :data:`NONE` without one.
        correct: (T, D), which detections found an instance that counts.
        ignored: (T, D), which detections count neither as correct nor as false alarms: they found
            a crowd region or an instance of another size, or nothing and are of another size.
    """

    pairs: Ints
    correct: Bools
    ignored: Bools


def ranks(overlaps: Overlaps, scores: Floats) -> Ints:
    """Returns the (D,) places of detections among those of their class and image, from 0.

    Args:
        overlaps: Of D detections.
        scores: (D,), to rank by; of equal ones the first is better.
    """
    order = np.lexsort((-scores, overlaps.groups))
    places = np.empty(len(order), np.int64)
    first = np.searchsorted(overlaps.groups, overlaps.groups)
    places[order] = np.arange(len(order))
    return places - first


def match(
    overlaps: Overlaps,
    places: Ints,
    thresholds: Floats,
    area_range: tuple[float, float],
    max_det: int,
) -> Matches:
    """Matches detections with instances.

    At each threshold a detection takes the instance that overlaps most of those that are free and
    count, or else of those that are ignored: crowd regions, which are never used up, and instances
    of another size. Of equal overlaps the later instance wins.

    Args:
        overlaps: Of D detections.
        places: (D,), from :func:`ranks`.
        thresholds: (T,), least IoU of a match; at 0 any overlap makes one.
        area_range: Smallest and largest area in pixels of the instances that count.
        max_det: Number of best-ranked detections of a class in an image that count.
    """
    thresholds = np.minimum(thresholds, 1 - 1e-10)[:, None]  # as in pycocotools
    counts = ~(overlaps.crowds | _outside(overlaps.instance_areas, area_range))
    detection, instance = overlaps.pairs.T
    near = np.flatnonzero((overlaps.ious >= thresholds.min()) & (places[detection] < max_det))
    turns = _turns(overlaps.groups, places, detection[near])
    # sorted so that a detection takes the last of its pairs that is possible
    near = near[
        np.lexsort(
            (instance[near], overlaps.ious[near], counts[instance[near]], detection[near], turns)
        )
    ]
    turns = np.sort(turns)
    found = np.full((len(thresholds), len(overlaps.detections)), NONE)
    taken = np.zeros((len(thresholds), len(counts)), bool)
    reaches = overlaps.ious[near] >= thresholds
    edges = np.searchsorted(turns, np.arange(turns.max(initial=-1) + 2))
    for start, end in pairwise(edges):
        now = near[start:end]
        possible = reaches[:, start:end] & ~taken[:, instance[now]]
        firsts = np.flatnonzero(np.diff(detection[now], prepend=-1))
        best = np.maximum.reduceat(np.where(possible, np.arange(end - start), NONE), firsts, axis=1)
        t, which = np.nonzero(best != NONE)
        pair = now[best[t, which]]
        found[t, detection[pair]] = pair
        used = ~overlaps.crowds[instance[pair]]
        taken[t[used], instance[pair[used]]] = True

    matched = found != NONE
    of_match = np.append(instance, 0)[found]  # the appended 0 is for those without a pair
    known = matched & np.append(overlaps.findable, False)[of_match]
    correct = known & np.append(counts, False)[of_match]
    by_match = matched & ~np.append(counts, False)[of_match]
    outside = _outside(overlaps.areas, area_range)
    return Matches(found, correct, by_match | (~known & outside))


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
    places = ranks(overlaps, scores)
    matches = match(overlaps, places, np.array(thresholds), AREA_RANGES[0], protocol.ap_max_dets)
    found = np.where(matches.correct, np.append(overlaps.ious, 0)[matches.pairs], 0)
    found[matches.ignored | (places >= protocol.ap_max_dets)] = np.nan
    return found


def _turns(groups: Ints, places: Ints, detection: Ints) -> Ints:
    """Returns the (P,) places of each pair's detection among its group's detections with pairs."""
    distinct, back = np.unique(detection, return_inverse=True)
    order = np.lexsort((places[distinct], groups[distinct]))
    sorted_groups = groups[distinct][order]
    turns = np.empty(len(distinct), np.int64)
    turns[order] = np.arange(len(order)) - np.searchsorted(sorted_groups, sorted_groups)
    return turns[back]


def _outside(areas: Floats, area_range: tuple[float, float]) -> Bools:
    low, high = area_range
    return (areas < low) | (areas > high)
