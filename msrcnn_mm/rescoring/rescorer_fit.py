"""Fits a re-scorer to results and annotations.

Shape shorthand: D detections.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pycocotools.coco import COCO

from msrcnn_mm.coco.detections import Column, Detections
from msrcnn_mm.errors import UserError
from msrcnn_mm.evaluation.matching import matched_ious
from msrcnn_mm.evaluation.overlaps import find_overlaps
from msrcnn_mm.evaluation.protocol import CORRECT_IOU, Protocol, coco_protocol
from msrcnn_mm.evaluation.rankings import in_unit_interval
from msrcnn_mm.evaluation.tp_share import tp_shares

from .calibration_file import fingerprints
from .calibrators.isotonic import Isotonic
from .features.collect import Features, features_of
from .features.image_groups import numbered
from .features.views import View
from .fingerprints import DetectorFingerprint, result_fingerprints
from .rescorer import Rescorer
from .trees.cross_fitting import cross_fit

FEWEST_IMAGES = 10


@dataclass(frozen=True)
class Targets:
    """Targets of D detections by their annotations, NaN for those that do not count.

    Attributes:
        tp_shares: (D,), share of the IoU thresholds at which a detection is matched.
        ious: (D,), IoU with the instance that it finds at any overlap.
        correct: (D,), 1 if it is matched at IoU 0.5, else 0.
    """

    tp_shares: Column
    ious: Column
    correct: Column


def targets_of(coco: COCO, detections: Detections, protocol: Protocol) -> Targets:
    """Matches detections with instances, in class-score order.

    Raises:
        UserError: As :func:`msrcnn_mm.evaluation.overlaps.find_overlaps`.
    """
    overlaps = find_overlaps(coco, detections, protocol)
    scores = detections.class_scores[overlaps.detections]
    (ious,) = matched_ious(overlaps, scores, protocol, (0.0,))
    (correct,) = matched_ious(overlaps, scores, protocol, (CORRECT_IOU,))
    correct = np.where(correct > 0, 1.0, correct)
    shares = tp_shares(overlaps, scores, protocol)
    return Targets(*(overlaps.spread(one, len(detections)) for one in (shares, ious, correct)))


def check_enough(coco: COCO, detections: Detections, targets: Targets) -> None:
    """Checks that results can be fitted to.

    Raises:
        UserError: There are too few images, class scores that do not rank within [0, 1], or no
            correct mask.
    """
    scores = detections.class_scores
    if not in_unit_interval(scores) or scores.min() == scores.max():
        raise UserError(
            f"class scores go from {scores.min():g} to {scores.max():g}: a re-scorer needs scores"
            " that differ and are in [0, 1]"
        )
    images = len(set(detections.image_ids) & set(coco.imgs))
    if images < FEWEST_IMAGES:
        raise UserError(
            f"there are detections in {images} labelled images: a re-scorer needs at least"
            f" {FEWEST_IMAGES}, better 100"
        )
    if not np.nansum(targets.tp_shares):
        raise UserError(
            "no mask matches an instance of its class at IoU 0.5: check that results and"
            " annotations belong together"
        )


def fit_rescorer(
    detections: Detections,
    coco: COCO,
    annotations: str,
    views: Sequence[View] = (),
    protocol: Protocol | None = None,
    features: Features | None = None,
) -> Rescorer:
    """Fits a re-scorer.

    The trees are fitted to the TP share. The curves of expected IoU and precision are fitted to
    scores of trees that did not see the image.

    Args:
        detections: D detections with masks.
        coco: Their annotations.
        annotations: Their name.
        views: Results of the same images in other views; none if the detections have their
            agreement with these themselves.
        protocol: Which detections count; by default COCO's own.
        features: Of the detections and views, if they have been computed.

    Raises:
        UserError: See :func:`check_enough` and :func:`.collect.features_of`.
    """
    features = features or features_of(detections, views)
    targets = targets_of(coco, detections, protocol or coco_protocol(coco))
    check_enough(coco, detections, targets)
    images = numbered(detections.image_ids)
    fitted = cross_fit(features.values, targets.tp_shares, images, features.base)
    known, counts = ~np.isnan(targets.ious), ~np.isnan(targets.correct)
    return Rescorer(
        trees=fitted.trees,
        names=features.names,
        views=features.views,
        iou_curve=Isotonic.fit(fitted.scores[known], targets.ious[known]),
        precision_curve=Isotonic.fit(fitted.scores[counts], targets.correct[counts]),
        categories=coco.getCatIds(),
        classes=[str(coco.cats[i]["name"]) for i in coco.getCatIds()],
        detector=DetectorFingerprint.of(detections),
        annotations=annotations,
        detections=int((~np.isnan(targets.tp_shares)).sum()),
        images=result_fingerprints(detections),
        annotated=sorted(fingerprints(coco)),
    )
