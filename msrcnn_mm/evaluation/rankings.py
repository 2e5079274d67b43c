"""Collects the scores of detections, and the scores that rank masks."""

from collections.abc import Mapping

import numpy as np

from msrcnn_mm.coco.detections import Column, Detections

from .overlaps import Floats
from .protocol import (
    AGREEMENT_SCORE,
    CLASS_SCORE,
    CONSENSUS,
    MASK_SCORE,
    MASKNESS,
    ORACLE,
    QUALITY_ORACLE,
    REFERENCES,
    RESCORED_SCORE,
    TP_SHARE,
    words,
)
from .true_ious import quality_ious


def score_columns(detections: Detections) -> dict[str, Column]:
    """Returns the scores that the detections have.

    Returns:
        Name of :data:`.protocol.SCORES` -> (D,), NaN for a detection without it; scores that no
        detection has are absent.
    """
    columns = {
        CLASS_SCORE: detections.class_scores,
        MASK_SCORE: detections.mask_scores,
        MASKNESS: detections.maskness,
        AGREEMENT_SCORE: detections.agreement_scores,
        CONSENSUS: detections.consensus,
        RESCORED_SCORE: detections.rescored_scores,
    }
    return {name: values for name, values in columns.items() if values is not None}


def filled_scores(detections: Detections) -> dict[str, Column]:
    """Returns the scores that the detections have, for a detection without one its class score.

    So a detection without a score that others have ranks by its class score among them, as in
    MMDetection's ``CocoMetric``.

    Returns:
        Name of :data:`.protocol.SCORES` -> (D,).
    """
    return {
        name: np.where(np.isnan(values), detections.class_scores, values)
        for name, values in score_columns(detections).items()
    }


def ranking_scores(
    detections: Detections, true_ious: Column, tp_shares: Column
) -> dict[str, Floats]:
    """Returns the scores by which detections are ranked.

    The oracles are there if class scores are in [0, 1]: times a negative one, a better mask would
    rank lower.

    Args:
        detections: D masks.
        true_ious: (D,); NaN for a detection that does not count.
        tp_shares: (D,), likewise.

    Returns:
        Ranking -> (D,) scores; those of :data:`.protocol.REFERENCES` are last.
    """
    class_scores = detections.class_scores
    rankings = filled_scores(detections)
    if in_unit_interval(class_scores):
        rankings[QUALITY_ORACLE] = class_scores * quality_ious(true_ious)
        rankings[ORACLE] = class_scores * np.nan_to_num(true_ious)
    rankings[TP_SHARE] = np.nan_to_num(tp_shares)
    return rankings


def expectations(
    detections: Detections, rankings: Mapping[str, Floats]
) -> dict[str, tuple[Floats, Floats]]:
    """Returns the IoU and the precision of a mask that each score stands for.

    Both are the score itself. A re-scorer gives both beside its score, which is a TP share.

    Args:
        detections: D masks.
        rankings: From :func:`ranking_scores`.

    Returns:
        Ranking -> (D,) expected IoUs, (D,) expected precisions.
    """
    expected = {name: (values, values) for name, values in rankings.items()}
    if RESCORED_SCORE in expected and has_expectations(detections):
        assert detections.expected_ious is not None
        assert detections.expected_precisions is not None
        expected[RESCORED_SCORE] = detections.expected_ious, detections.expected_precisions
    return expected


def has_expectations(detections: Detections) -> bool:
    """Returns whether every detection has an expected IoU and precision."""
    columns = (detections.expected_ious, detections.expected_precisions)
    return all(column is not None and not np.isnan(column).any() for column in columns)


def ranking_notes(rankings: Mapping[str, Floats], detections: Detections) -> list[str]:
    """Returns a sentence for each score that is incomplete or leaves [0, 1].

    Args:
        rankings: From :func:`ranking_scores`.
        detections: The same detections.
    """
    notes = []
    for name, values in score_columns(detections).items():
        lacking = int(np.isnan(values).sum())
        if lacking:
            notes.append(f"{lacking} detections have no {words(name)}: they rank by class score")
    if RESCORED_SCORE in rankings and has_expectations(detections):
        notes.append(
            "LaECE and LaACE of the rescored score are those of its expected IoU, D-ECE that of its"
            " expected precision"
        )
    for name, values in rankings.items():
        if name not in REFERENCES and not in_unit_interval(values):
            notes.append(
                f"the {words(name)} goes from {values.min():.3g} to {values.max():.3g}: outside"
                " [0, 1] it ranks masks, but has no calibration"
                + (", and there is no oracle" if name == CLASS_SCORE else "")
            )
    return notes


def in_unit_interval(values: Floats) -> bool:
    """Returns whether all values are in [0, 1]."""
    return bool(np.all((values >= 0) & (values <= 1)))
