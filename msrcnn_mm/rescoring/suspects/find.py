"""Ranks the annotations that confident masks contradict.

Shape shorthand: D masks, G annotations.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from pycocotools.coco import COCO

from msrcnn_mm.coco.detections import Column, Detections
from msrcnn_mm.coco.lazy_rles import rles_at
from msrcnn_mm.evaluation.overlaps import Bools, Floats
from msrcnn_mm.evaluation.protocol import CORRECT_IOU, MATCHED_IOU
from msrcnn_mm.processes import in_processes

from ..calibrators.isotonic import Isotonic
from ..features.image_groups import by_image
from ..promises.masks import Objects
from .contradictions import LabelledImage, contradictions
from .suspect import NO_OBJECT, Suspect

FALSE_SHARE = 0.01
"""Share of annotations that are assumed to be of no object."""


def calibrated_scores(coco: COCO, detections: Detections, scores: Column) -> Column:
    """Returns (D,) scores by an isotonic curve, fitted to all masks and these annotations.

    The curve is the mean IoU of masks of a score with the object that they are matched with, 0 for
    wrong masks; see :meth:`..promises.masks.Objects.ious`. That few of the annotations are wrong
    lowers it little.

    Args:
        coco: The annotations.
        detections: D masks.
        scores: (D,), in [0, 1].

    Raises:
        UserError: As :func:`msrcnn_mm.evaluation.overlaps.find_overlaps`.
    """
    return Isotonic.fit(scores, Objects(coco, detections).ious(scores)).apply(scores)


def find_suspects(
    coco: COCO, detections: Detections, calibrated: Column, counts: Bools
) -> list[Suspect]:
    """Returns the places where annotations are perhaps wrong, that of the most suspicion first.

    Only images with masks are compared. Each annotation and each mask comes up once.

    Args:
        coco: The annotations.
        detections: D masks, at least one.
        calibrated: (D,), from :func:`calibrated_scores`.
        counts: (D,), which masks may contradict an annotation.
    """
    masks = detections.masks
    assert masks is not None
    places = list(by_image(detections.image_ids).items())

    def of_image(place: tuple[Any, Any]) -> tuple[list[Suspect], list[float]]:
        image_id, own = place
        annotations = coco.imgToAnns.get(image_id, [])
        image = LabelledImage(
            image_id,
            own,
            rles_at(masks, own),
            [detections.category_ids[one] for one in own],
            annotations,
            [coco.annToRLE(one) for one in annotations],
        )
        overlaps = image.overlaps()
        found = contradictions(image, overlaps, calibrated[own], counts[own])
        return found, overlaps.ious.max(axis=0, initial=0).tolist()

    suspects: list[Suspect] = []
    annotations: list[dict[str, Any]] = []
    covered: list[float] = []
    for (image_id, _), (found, ious) in zip(
        places, in_processes(of_image, places, "annotations"), strict=True
    ):
        suspects += found
        annotations += coco.imgToAnns.get(image_id, [])
        covered += ious
    return _once([*suspects, *_of_no_object(annotations, np.array(covered))])


def _of_no_object(annotations: list[dict[str, Any]], covered: Floats) -> list[Suspect]:
    """Returns the annotations that no mask overlaps.

    Masks find a share r of the annotations of such an area, by an isotonic curve. The suspicion is
    0.01 / (0.01 + 0.99 (1 - r)): the probability that there is no object where no mask is, if 1% of
    the annotations were of none. That is an assumption, so it ranks, as the other suspicions do.
    """
    single = np.array([not one.get("iscrowd", 0) for one in annotations], bool)
    annotations = [one for one, kept in zip(annotations, single, strict=True) if kept]
    if not annotations:
        return []
    covered = covered[single]
    ranks = np.searchsorted(
        np.sort([one["area"] for one in annotations]), [one["area"] for one in annotations]
    ) / len(annotations)
    found = Isotonic.fit(ranks, (covered >= CORRECT_IOU).astype(float)).apply(ranks)
    suspicion = FALSE_SHARE / (FALSE_SHARE + (1 - FALSE_SHARE) * (1 - found))
    return [
        Suspect(NO_OBJECT, annotations[one]["image_id"], [annotations[one]["id"]], [], float(value))
        for one, value in zip(
            np.flatnonzero(covered < MATCHED_IOU).tolist(),
            suspicion[covered < MATCHED_IOU].tolist(),
            strict=True,
        )
    ]


def _once(suspects: Iterable[Suspect]) -> list[Suspect]:
    """Returns suspects in order, without those that share an annotation or mask with one before."""
    seen: set[tuple[str, Any]] = set()
    kept = []
    for suspect in sorted(suspects, key=lambda one: -one.suspicion):
        keys = {("annotation", one) for one in suspect.annotations}
        keys |= {("mask", one) for one in suspect.masks}
        if not keys & seen:
            kept.append(suspect)
            seen |= keys
    return kept
