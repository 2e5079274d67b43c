"""Fits a calibrator to results and annotations, and applies it to results."""

from dataclasses import replace

import numpy as np
from pycocotools.coco import COCO

from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.errors import UserError
from msrcnn_mm.evaluation.matching import matched_ious
from msrcnn_mm.evaluation.overlaps import find_overlaps
from msrcnn_mm.evaluation.protocol import Protocol, coco_protocol, words
from msrcnn_mm.evaluation.rankings import score_columns

from .calibration_file import METHODS, CalibrationFile, Calibrator, fingerprints
from .calibrators.exponents import Exponents
from .calibrators.factors import score_and_factors


def fit_calibration(
    method: str,
    score: str,
    detections: Detections,
    coco: COCO,
    annotations: str,
    protocol: Protocol | None = None,
) -> CalibrationFile:
    """Fits a calibrator to the matched IoU, which is LaECE_0's target.

    That is the IoU of a mask with the instance that it finds, with detections in the order of
    ``score``, and 0 for a false alarm or duplicate. All classes are fitted together, because each
    class of a small data set has too few detections.

    Args:
        method: A key of :data:`METHODS`.
        score: ``class_score``, ``mask_score`` or ``maskness``.
        detections: D masks.
        coco: Their annotations.
        annotations: Their name.
        protocol: Which detections count; by default COCO's own.

    Raises:
        UserError: Detections lack the score, or none counts.
    """
    if not len(detections):
        raise UserError("there are no detections to fit a calibration to")
    scores, factors = score_and_factors(detections, score)
    lacking = int(np.isnan(score_columns(detections)[score]).sum())
    if lacking:
        raise UserError(
            f"{lacking} of {len(detections)} detections have no {words(score)}: fit to"
            " results that all have one, or to a score that these have, --score class_score"
        )
    protocol = protocol or coco_protocol(coco)
    overlaps = find_overlaps(coco, detections, protocol)
    # Any overlap makes a match, as in LaECE_0.
    (matched,) = matched_ious(overlaps, scores[overlaps.detections], protocol, (0.0,))
    targets = overlaps.spread(matched, len(detections))
    counts = ~np.isnan(targets)
    if not counts.any():
        raise UserError("no detection counts, so there is nothing to fit a calibration to")
    kind = METHODS[method]
    calibrator: Calibrator
    if kind is Exponents:
        calibrator = kind.fit(factors[:, counts], targets[counts])
    else:
        calibrator = kind.fit(scores[counts], targets[counts])
    return CalibrationFile(
        method,
        score,
        calibrator,
        annotations,
        int(counts.sum()),
        sorted(fingerprints(coco)),
    )


def add_calibrated_scores(calibration: CalibrationFile, detections: Detections) -> Detections:
    """Returns the detections with calibrated scores beside their other scores.

    Raises:
        UserError: The detections lack the score that the calibration is of.
    """
    if not len(detections):
        return detections
    return replace(detections, calibrated_scores=calibration.apply(detections))
