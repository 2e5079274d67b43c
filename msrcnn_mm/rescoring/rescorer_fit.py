"""Fits a re-scorer to results and annotations.

Shape shorthand: D detections.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pycocotools.coco import COCO

from msrcnn_mm.coco.detections import Column, Detections
from msrcnn_mm.errors import UserError, first_names, warn
from msrcnn_mm.evaluation.matching import matched_ious
from msrcnn_mm.evaluation.overlaps import Overlaps, find_overlaps
from msrcnn_mm.evaluation.protocol import (
    CLASS_SCORE,
    CORRECT_IOU,
    MASK_SCORE,
    Protocol,
    coco_protocol,
    words,
)
from msrcnn_mm.evaluation.rankings import in_unit_interval
from msrcnn_mm.evaluation.tp_share import tp_shares

from .calibrators.calibrated_score import CalibratedScore
from .calibrators.factors import score_and_factors
from .calibrators.isotonic import Isotonic
from .features.agreement import with_agreement
from .features.collect import Features, features_of
from .features.image_groups import image_numbers
from .features.views import View
from .fingerprints import DetectorFingerprint, annotation_fingerprints, result_fingerprints
from .methods import TREES, Method
from .rescorer import FEWEST_IMAGES, Rescorer
from .trees.cross_fitting import FOLDS, cross_fit, image_turns
from .trees.tree_score import TreeScore


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


def targets_of(overlaps: Overlaps, detections: Detections, protocol: Protocol) -> Targets:
    """Matches detections with instances, in class-score order.

    Args:
        overlaps: Of the detections with their annotations.
        detections: D detections.
        protocol: That of ``overlaps``.

    Raises:
        UserError: There are no detections.
    """
    if not len(detections):
        raise UserError("there are no detections to fit a re-scorer to")
    scores = detections.class_scores[overlaps.detections]
    (ious,) = matched_ious(overlaps, scores, protocol, (0.0,))
    (correct,) = matched_ious(overlaps, scores, protocol, (CORRECT_IOU,))
    correct = np.where(correct > 0, 1.0, correct)
    shares = tp_shares(overlaps, scores, protocol)
    return Targets(*(overlaps.spread(one, len(detections)) for one in (shares, ious, correct)))


def check_enough(coco: COCO, detections: Detections, targets: Targets) -> None:
    """Checks that trees can be fitted to results.

    Raises:
        UserError: There are too few images, class scores that do not rank within [0, 1], or no
            correct mask.
    """
    scores = detections.class_scores
    inside = (scores > 0) & (scores < 1)
    if not in_unit_interval(scores) or not inside.any() or scores.min() == scores.max():
        raise UserError(
            f"class scores go from {scores.min():g} to {scores.max():g}: a re-scorer needs scores"
            " that differ and are in (0, 1)"
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
    method: str = TREES,
    score: str | None = None,
) -> Rescorer:
    """Fits a re-scorer.

    The curves of expected IoU and precision are fitted to the scores; those of trees are by trees
    that did not see the image. The other methods' score is an expected IoU itself.
    Warns of classes without a detection to fit to, whose detections are scored as those of the
    other classes, and of classes without an instance.

    Args:
        detections: D detections with masks.
        coco: Their annotations.
        annotations: Their name.
        views: Results of the same images in other views; none if the detections have their
            agreement with these themselves.
        protocol: Which detections count; by default COCO's own.
        features: Of the detections and views, if they have been computed; for trees.
        method: A name of :data:`.methods.METHODS`.
        score: Name of the score that a method other than trees corrects; by default the mask score
            or, without it, the class score.

    Raises:
        UserError: There are no detections, or they lack the score. For trees see
            :func:`check_enough` and :func:`.collect.features_of`.
    """
    protocol = protocol or coco_protocol(coco)
    overlaps = find_overlaps(coco, detections, protocol)
    targets = targets_of(overlaps, detections, protocol)
    fitted: Method
    if method == TREES:
        check_enough(coco, detections, targets)
        features = features or features_of(detections, views)
        images = image_numbers(detections.image_ids)
        found = cross_fit(features.values, targets.tp_shares, images, features.base)
        fitted = TreeScore(features.names, features.views, found.trees)
        scores, target = found.scores, targets.tp_shares
        iou_curve = _curve(scores, targets.ious)
    else:
        if views:
            detections = with_agreement(detections, views)
        score = score or default_score(detections)
        target = matched_by(score, overlaps, detections, protocol)
        fitted = CalibratedScore.fit(method, score, detections, target)
        scores = fitted.scores(detections)
        iou_curve = Isotonic([0.0, 1.0], [0.0, 1.0])
    counts = ~np.isnan(target)
    _warn_of_missing(coco, {detections.category_ids[i] for i in np.flatnonzero(counts)})
    return Rescorer(
        method=fitted,
        iou_curve=iou_curve,
        precision_curve=_curve(scores, targets.correct),
        categories=coco.getCatIds(),
        classes=[str(coco.cats[i]["name"]) for i in coco.getCatIds()],
        detector=DetectorFingerprint.of(detections),
        annotations=annotations,
        detections=int(counts.sum()),
        images=result_fingerprints(detections),
        annotated=sorted(annotation_fingerprints(coco, detections.image_ids)),
    )


def default_score(detections: Detections) -> str:
    """Returns the score that a calibrator corrects if none is named."""
    return CLASS_SCORE if detections.mask_scores is None else MASK_SCORE


def matched_by(
    score: str, overlaps: Overlaps, detections: Detections, protocol: Protocol
) -> Column:
    """Returns (D,) IoUs with the instance found, in the order of a score; NaN as in targets.

    Any overlap makes a match, as in LaECE_0.

    Raises:
        UserError: The detections lack the score, one leaves [0, 1], or all are equal.
    """
    scores = score_and_factors(detections, score)[0]
    if len(scores) > 1 and scores.min() == scores.max():
        raise UserError(
            f"every detection has the {words(score)} {scores[0]:g}: a re-scorer needs scores that"
            " differ"
        )
    (matched,) = matched_ious(overlaps, scores[overlaps.detections], protocol, (0.0,))
    return overlaps.spread(matched, len(detections))


def cross_fit_calibrator(
    method: str, score: str, detections: Detections, matched: Column
) -> Column:
    """Returns (D,) scores by a method fitted on the other images, in five folds of images.

    Args:
        method: A name of :data:`.methods.METHODS` other than trees.
        score: The score that it corrects.
        detections: D detections.
        matched: (D,), from :func:`matched_by`.

    Raises:
        UserError: All detections are of one image.
    """
    if len(set(detections.image_ids)) < 2:
        raise UserError("there are detections in 1 image: to score it by others takes at least 2")
    folds = image_turns(image_numbers(detections.image_ids), np.random.default_rng(0)) % FOLDS
    scores = np.zeros(len(detections))
    for fold in range(FOLDS):
        own = folds == fold
        fitted = CalibratedScore.fit(method, score, detections, np.where(own, np.nan, matched))
        scores[own] = fitted.scores(detections)[own]
    return scores


def _curve(scores: Column, targets: Column) -> Isotonic:
    known = ~np.isnan(targets)
    return Isotonic.fit(scores[known], targets[known])


def _warn_of_missing(coco: COCO, fitted_to: set[Any]) -> None:
    missing = [str(coco.cats[i]["name"]) for i in coco.getCatIds() if i not in fitted_to]
    if missing:
        warn(
            f"{len(missing)} of {len(coco.cats)} classes have no detection to fit to"
            f" ({first_names(missing)}): theirs are scored as those of the other classes"
        )
    annotated = {annotation["category_id"] for annotation in coco.anns.values()}
    bare = [str(coco.cats[i]["name"]) for i in coco.getCatIds() if i in fitted_to - annotated]
    if bare:
        warn(
            f"{len(bare)} of {len(coco.cats)} classes have detections and no instance"
            f" ({first_names(bare)}): all of theirs count as false alarms"
        )
