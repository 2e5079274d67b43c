"""Fitting a calibrator to results and annotations, and applying it to results."""

from collections.abc import Sequence

import numpy as np
from pycocotools.coco import COCO

from msrcnn_mm.coco.detections import Detection
from msrcnn_mm.errors import UserError
from msrcnn_mm.evaluation.evaluate import evaluate_scores
from msrcnn_mm.evaluation.protocol import Protocol
from msrcnn_mm.evaluation.score_columns import ScoreColumns

from .calibration_file import METHODS, CalibrationFile, Calibrator, fingerprints, score_and_factors
from .exponents import Exponents


def fit_calibration(
    method: str,
    score: str,
    detections: Sequence[Detection],
    coco: COCO,
    annotations: str,
    protocol: Protocol | None = None,
) -> CalibrationFile:
    """Fits to what an honest score would be: the matched IoU, LaECE_0's target.

    That is the IoU of a mask with the instance that it finds, taking turns by ``score``, and 0 for
    a false alarm or duplicate. All classes are fitted together: the classes of small data sets
    have too few detections each.

    Args:
        method: A key of :data:`METHODS`.
        score: ``class_score``, ``mask_score`` or ``maskness``.
        detections: D masks in COCO's results format.
        coco: Their annotations.
        annotations: What to call these.
        protocol: Which detections count; COCO's own without.

    Raises:
        UserError: Detections lack the score, or none counts.
    """
    columns = ScoreColumns.of(detections)
    if not len(detections):
        raise UserError("there are no detections to fit a calibration to")
    scores, factors = score_and_factors(columns, score)
    lacking = int(np.isnan(columns.beside_class_scores.get(score, scores)).sum())
    if lacking:
        raise UserError(
            f"{lacking} of {len(detections)} detections have no {score.replace('_', ' ')}: fit to"
            " results that all have one, or to a score that these have, --score class_score"
        )
    targets = evaluate_scores(coco, detections, protocol).detections.matched_ious[score]
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


def add_calibrated_scores(
    calibration: CalibrationFile, detections: Sequence[Detection]
) -> list[Detection]:
    """The detections with ``calibrated_score`` beside their other scores, all else as it was.

    Raises:
        UserError: The detections lack the score that the calibration is of.
    """
    if not detections:
        return []
    values = calibration.apply(ScoreColumns.of(detections)).tolist()
    return [
        {**detection, "calibrated_score": value}
        for detection, value in zip(detections, values, strict=True)
    ]
