"""Computes AP of detections in one order, equal to pycocotools' to the last bit.

Shape shorthand: D detections, T IoU thresholds, R recalls, K classes, A area ranges, M numbers of
detections that count.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from pycocotools.coco import COCO

from msrcnn_mm.coco.detections import Detections

from .matching import Candidates, Order
from .overlaps import Floats, Ints, Overlaps, find_overlaps
from .protocol import AREA_RANGES, RECALLS, Protocol

UNDEFINED = -1.0
"""pycocotools' AP where there is no ground truth."""


@dataclass(frozen=True)
class Curves:
    """Precision and recall of one order, :data:`UNDEFINED` where there is no ground truth.

    Those of small, medium and large instances are at the last of ``max_dets`` only, as COCO shows
    them.

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
            area: Number of the area range; above 0 at the last of ``max_dets`` only.
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
    parts = [_of_classes(part, scores[own], protocol) for part, own in overlaps.class_blocks()]
    precision = np.concatenate([precision for precision, _ in parts], axis=2)
    return Curves(precision, np.concatenate([recall for _, recall in parts], axis=1), protocol)


def _of_classes(overlaps: Overlaps, scores: Floats, protocol: Protocol) -> tuple[Floats, Floats]:
    """Returns precision and recall of the classes of a block, as :class:`Curves` has them."""
    shape = (len(overlaps.bounds) - 1, len(AREA_RANGES), len(protocol.max_dets))
    thresholds = np.asarray(protocol.iou_thrs, float)
    precision = np.full((len(thresholds), len(RECALLS), *shape), UNDEFINED)
    recall = np.full((len(thresholds), *shape), UNDEFINED)
    order = Order.by(scores, overlaps)
    candidates = Candidates(overlaps, order, thresholds, protocol.max_dets[-1])
    # candidates of each class, and the other detections of the class down to each of them
    bounds = np.searchsorted(candidates.positions, overlaps.bounds)
    alone = np.ones(len(scores), bool)
    alone[candidates.detections] = False
    for a, area_range in enumerate(AREA_RANGES):
        matches = candidates.match(area_range)
        instances = count_instances(overlaps, area_range)
        for m, max_det in enumerate(protocol.max_dets):
            if a and max_det < protocol.max_dets[-1]:
                continue
            counts = order.places < max_det
            others = np.cumsum((alone & counts & ~matches.outside)[order.detections])
            others = np.append(others, 0)  # the 0 is above the first class
            near = counts[candidates.detections]
            correct = matches.correct & near
            wrong = ~(matches.correct | matches.ignored) & near
            for k in np.flatnonzero(instances):
                own = slice(bounds[k], bounds[k + 1])
                false = np.cumsum(wrong[:, own], axis=1)
                false += others[candidates.positions[own]] - others[overlaps.bounds[k] - 1]
                for t, right in enumerate(correct[:, own]):
                    precision[t, :, k, a, m] = _precisions(false[t, right], instances[k])
                    recall[t, k, a, m] = right.sum() / instances[k]
    return precision, recall


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


def _precisions(false: Ints, instances: int) -> Floats:
    """Returns the (R,) best precisions at each recall or beyond.

    Between correct detections precision only falls, so it is the best at one of them.

    Args:
        false: Number of false alarms down to each correct detection, best-ranked first.
        instances: Number of instances to find.
    """
    true = np.arange(1.0, len(false) + 1)
    # pycocotools' operations in its order, so that rounding is the same
    raw = true / (false + true + np.spacing(1))
    best = np.maximum.accumulate(raw[::-1])[::-1]
    reached = np.searchsorted(true / instances, RECALLS)
    precisions: Floats = np.append(best, 0.0)[reached]
    return precisions


def _mean_defined(values: Floats) -> float:
    defined = values[values > UNDEFINED]
    return float(np.mean(defined)) if defined.size else UNDEFINED
