"""Compares the masks of an image with its annotations, whatever the class.

Shape shorthand: n masks and m annotations of one image.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pycocotools.mask as mask_utils

from msrcnn_mm.coco.detections import Rle
from msrcnn_mm.evaluation.overlaps import Bools, Floats, Ints, mask_areas
from msrcnn_mm.evaluation.protocol import CORRECT_IOU, MATCHED_IOU

from ..features.image_groups import mask_ious, mask_ious_within, numbered
from .suspect import BADLY_CUT, MERGED, MISSED, SPLIT, WRONG_CLASS, Suspect

INSIDE = 0.7
"""Share of a mask or annotation inside another from which on it is a part of that one."""

IN_CROWD = 0.5
"""Share of a mask inside a crowd region from which on it contradicts no annotation."""


@dataclass(frozen=True)
class LabelledImage:
    """The masks and annotations of an image.

    Attributes:
        image_id: Its id.
        positions: (n,), positions of the masks in the results.
        masks: n masks.
        classes: n category ids.
        annotations: m annotations, crowd regions too.
        truths: Their m masks.
    """

    image_id: Any
    positions: Ints
    masks: Sequence[Rle]
    classes: Sequence[Any]
    annotations: Sequence[dict[str, Any]]
    truths: Sequence[Rle]

    def overlaps(self) -> "LabelOverlaps":
        """Computes the overlaps of all masks with all annotations."""
        ious = np.nan_to_num(mask_ious(self.masks, self.truths))  # of two masks without pixels
        areas, truth_areas = mask_areas(self.masks), mask_areas(self.truths)
        shared = ious / (1 + ious) * (areas[:, None] + truth_areas)
        crowds = np.array([bool(one.get("iscrowd", 0)) for one in self.annotations], bool)
        inside = shared / np.maximum(areas, 1)[:, None]
        codes = numbered([*self.classes, *(one["category_id"] for one in self.annotations)])
        same = codes[: len(self.classes), None] == codes[len(self.classes) :]
        return LabelOverlaps(
            ious=np.where(crowds, 0, ious),
            same=same & ~crowds,
            mask_inside=inside,
            truth_inside=shared / np.maximum(truth_areas, 1),
            comparable=(areas > 0) & (inside[:, crowds].max(axis=1, initial=0) < IN_CROWD),
            crowds=crowds,
        )


@dataclass(frozen=True)
class LabelOverlaps:
    """The overlaps of n masks with m annotations.

    Attributes:
        ious: (n, m), of all classes; 0 with crowd regions.
        same: (n, m), which are of the same class; False for crowd regions.
        mask_inside: (n, m), share of the mask inside the annotation.
        truth_inside: (n, m), share of the annotation inside the mask.
        comparable: (n,), which masks have pixels and are not of a crowd region.
        crowds: (m,), which annotations are crowd regions.
    """

    ious: Floats
    same: Bools
    mask_inside: Floats
    truth_inside: Floats
    comparable: Bools
    crowds: Bools


def contradictions(
    image: LabelledImage, overlaps: LabelOverlaps, calibrated: Floats, counts: Bools
) -> list[Suspect]:
    """Returns the annotations of an image that its masks contradict.

    Of masks that overlap by an IoU of at least 0.5, whatever their class, the best one counts. The
    suspicion is its calibrated score less the quality of what is annotated there: the IoU with the
    best annotation of its class, or, if that is more, the greatest product of calibrated score and
    IoU of any mask with an annotation that it contradicts, for masks of that annotation's class.

    Args:
        image: The image.
        overlaps: Those of its masks and annotations.
        calibrated: (n,), calibrated scores of the masks.
        counts: (n,), which masks may contradict an annotation. All may confirm one.
    """
    chosen = _distinct(image.masks, calibrated, counts & overlaps.comparable)
    of_class = np.where(overlaps.same, overlaps.ious, 0)
    confirmed = (of_class * calibrated[:, None]).max(axis=0, initial=0)
    best = of_class.max(axis=1, initial=0)
    found = []
    for mask in chosen:
        kind, annotations, masks = _reading(image, overlaps, mask, chosen)
        annotated = max(best[mask], confirmed[annotations].max(initial=0))
        suspicion = float(calibrated[mask] - annotated)
        if suspicion > 0:
            found.append(
                Suspect(
                    kind,
                    image.image_id,
                    [image.annotations[one]["id"] for one in annotations],
                    image.positions[masks].tolist(),
                    suspicion,
                )
            )
    return found


def _distinct(masks: Sequence[Rle], calibrated: Floats, counts: Bools) -> list[int]:
    """Returns the masks that no better one overlaps by an IoU of at least 0.5, the best first."""
    order = np.flatnonzero(counts)
    order = order[np.argsort(-calibrated[order], kind="stable")]
    repeats = mask_ious_within([masks[one] for one in order.tolist()]) >= CORRECT_IOU
    chosen: list[int] = []
    for place in range(len(order)):
        if not repeats[place, chosen].any():
            chosen.append(place)
    distinct: list[int] = order[chosen].tolist()
    return distinct


def _reading(
    image: LabelledImage, overlaps: LabelOverlaps, mask: int, chosen: Sequence[int]
) -> tuple[str, list[int], list[int]]:
    """Returns what a mask says is wrong, of which annotations, and the masks that say so."""
    ious, same = overlaps.ious[mask], overlaps.same[mask]
    of_class = np.where(same, ious, 0)
    best = of_class.max(initial=0)
    parts = np.flatnonzero(same & (overlaps.truth_inside[mask] >= INSIDE)).tolist()
    if _joined_iou([image.truths[one] for one in parts], image.masks[mask]) > best:
        return SPLIT, parts, [mask]
    if ious.max(initial=0) >= CORRECT_IOU and not same[ious.argmax()]:
        return WRONG_CLASS, [int(ious.argmax())], [mask]
    if best < MATCHED_IOU:
        return MISSED, [], [mask]
    one = int(of_class.argmax())
    inside = overlaps.same[:, one] & (overlaps.mask_inside[:, one] >= INSIDE)
    masks = [mask, *(other for other in chosen if inside[other] and other != mask)]
    if inside[mask] and _joined_iou([image.masks[i] for i in masks], image.truths[one]) > best:
        return MERGED, [one], masks
    return BADLY_CUT, [one], [mask]


def _joined_iou(parts: list[Rle], whole: Rle) -> float:
    """Returns the IoU of several masks together with another one; 0 if they are not several."""
    if len(parts) < 2:
        return 0.0
    return float(mask_utils.iou([mask_utils.merge(parts)], [whole], [0])[0, 0])
