"""Computes AP of detections in one order, equal to pycocotools' to the last bit.

Shape shorthand: D detections, T IoU thresholds, R recalls, K classes, A area ranges, M numbers of
detections that count.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from pycocotools.coco import COCO

from msrcnn_mm.coco.detections import Detections

from .matching import match, ranks
from .overlaps import Bools, Floats, Ints, Overlaps, find_overlaps
from .protocol import AREA_RANGES, RECALLS, Protocol

UNDEFINED = -1.0
"""pycocotools' AP where there is no ground truth."""


@dataclass(frozen=True)
class Curves:
    """Precision and recall of one order, :data:`UNDEFINED` where there is no ground truth.

    Attributes:
        precision: (T, R, K, A, M), the best precision at each recall or beyond.
        recall: (T, K, A, M), the highest recall.
        protocol: The axes' values.
    """

    precision: Floats
    recall: Floats
    protocol: Protocol

    def ap(
        self,
        iou: float | None = None,
        area: int = 0,
        max_dets: int = -1,
        category: int | slice = slice(None),
    ) -> float:
        """Returns the mean precision, in [0, 1] or :data:`UNDEFINED`.

        Args:
            iou: At this IoU threshold; by default over all.
            area: Number of the area range.
            max_dets: Which of the protocol's ``max_dets``.
            category: Number of the class; by default over all.
        """
        thresholds = np.asarray(self.protocol.iou_thrs)
        at: Any = slice(None) if iou is None else thresholds == iou
        return _mean_defined(self.precision[:, :, category, area, max_dets][at])

    def recalls(self, category: int | slice = slice(None)) -> dict[str, float]:
        """Returns ``COCOeval.summarize``'s last six: each ``AR@N``, ``ARs``, ``ARm``, ``ARl``."""
        of_class = self.recall[:, category]
        named = {f"AR@{n}": of_class[..., 0, m] for m, n in enumerate(self.protocol.max_dets)}
        by_size = {f"AR{size}": of_class[..., a, -1] for a, size in enumerate("sml", start=1)}
        return {name: _mean_defined(values) for name, values in (named | by_size).items()}

    def columns(self, category: int | slice = slice(None)) -> Floats:
        """Returns ``COCOeval.summarize``'s first six numbers: AP, AP50, AP75, APs, APm, APl.

        AP is at the protocol's ``ap_max_dets``; ``COCOeval`` has it at 100 detections only.
        """
        whole = self.ap(max_dets=self._ap_index, category=category)
        by_iou = [self.ap(iou, category=category) for iou in (0.5, 0.75)]
        return np.array([whole, *by_iou, *(self.ap(area=a, category=category) for a in (1, 2, 3))])

    def ap_by_iou(self, category: int | slice = slice(None)) -> list[float]:
        """Returns AP at each IoU threshold; AP is their mean."""
        return [
            self.ap(iou, max_dets=self._ap_index, category=category)
            for iou in np.asarray(self.protocol.iou_thrs)
        ]

    @property
    def _ap_index(self) -> int:
        return list(self.protocol.max_dets).index(self.protocol.ap_max_dets)


def curves(overlaps: Overlaps, scores: Floats, protocol: Protocol) -> Curves:
    """Computes precision and recall of all classes, sizes and numbers of detections.

    Args:
        overlaps: Of D detections.
        scores: (D,), to rank by.
        protocol: That of ``overlaps``.
    """
    shape = (len(overlaps.bounds) - 1, len(AREA_RANGES), len(protocol.max_dets))
    thresholds = np.asarray(protocol.iou_thrs, float)
    precision = np.full((len(thresholds), len(RECALLS), *shape), UNDEFINED)
    recall = np.full((len(thresholds), *shape), UNDEFINED)
    places = ranks(overlaps, scores)
    orders = [
        start + np.argsort(-scores[start:end], kind="stable")
        for start, end in pairwise(overlaps.bounds)
    ]
    for a, area_range in enumerate(AREA_RANGES):
        matches = match(overlaps, places, thresholds, area_range, protocol.max_dets[-1])
        instances = count_instances(overlaps, area_range)
        for k, order in enumerate(orders):
            if not instances[k]:
                continue
            best = places[order].max(initial=-1)
            for m, max_det in enumerate(protocol.max_dets):
                if m and best < protocol.max_dets[m - 1]:  # no image has more
                    precision[:, :, k, a, m] = precision[:, :, k, a, m - 1]
                    recall[:, k, a, m] = recall[:, k, a, m - 1]
                    continue
                counted = order[places[order] < max_det]
                precision[:, :, k, a, m], recall[:, k, a, m] = _curve(
                    matches.correct[:, counted], matches.ignored[:, counted], instances[k]
                )
    return Curves(precision, recall, protocol)


def count_instances(overlaps: Overlaps, area_range: tuple[float, float]) -> Ints:
    """Returns the (K,) numbers of instances of each class that count in an area range."""
    low, high = area_range
    counts = ~overlaps.crowds & (overlaps.instance_areas >= low) & (overlaps.instance_areas <= high)
    return np.bincount(overlaps.instance_classes[counts], minlength=len(overlaps.bounds) - 1)


def average_precisions(
    coco: COCO,
    detections: Detections,
    scores: ArrayLike,
    protocol: Protocol,
    iou_type: str = "segm",
) -> Floats:
    """Computes pycocotools' APs of detections ranked by any scores.

    Args:
        coco: The annotations.
        detections: D detections, of images that ``coco`` knows.
        scores: (D,), to rank by.
        protocol: The classes, images and thresholds that count.
        iou_type: ``segm`` or ``bbox``.

    Returns:
        (6,): AP, AP50, AP75, APs, APm, APl; each in [0, 1], or :data:`UNDEFINED` without ground
        truth of that kind.

    Raises:
        UserError: As :func:`.overlaps.find_overlaps`.
    """
    overlaps = find_overlaps(coco, detections, protocol, iou_type)
    return curves(overlaps, np.asarray(scores, float)[overlaps.detections], protocol).columns()


def _curve(correct: Bools, ignored: Bools, instances: int) -> tuple[Floats, Floats]:
    """Returns (T, R) best precision at each recall or beyond, and (T,) the highest recall.

    Args:
        correct: (T, D), best-ranked detection first.
        ignored: (T, D).
        instances: Number of instances to find.
    """
    precision = np.zeros((len(correct), len(RECALLS)))
    if not correct.shape[1]:
        return precision, np.zeros(len(correct))
    true = np.cumsum(correct, axis=1, dtype=float)
    false = np.cumsum(~(correct | ignored), axis=1, dtype=float)
    recall = true / instances
    # pycocotools' operations in its order, so that rounding is the same
    raw = true / (false + true + np.spacing(1))
    best = np.maximum.accumulate(raw[:, ::-1], axis=1)[:, ::-1]
    for t, reached in enumerate(recall):
        places = np.searchsorted(reached, RECALLS, side="left")
        inside = places < len(reached)
        precision[t, inside] = best[t, places[inside]]
    return precision, recall[:, -1]


def _mean_defined(values: Floats) -> float:
    defined = values[values > UNDEFINED]
    return float(np.mean(defined)) if defined.size else UNDEFINED
