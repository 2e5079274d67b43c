"""The scores that results carry, and what masks are ranked by, as columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from msrcnn_mm.coco.detections import Detection
from msrcnn_mm.errors import UserError

from .overlaps import Floats
from .protocol import CALIBRATED_SCORE, CLASS_SCORE, MASK_SCORE, MASKNESS, ORACLE
from .score_evaluation import Column


@dataclass(frozen=True)
class ScoreColumns:
    """What D detections carry; NaN for one that lacks what others have, None if all lack it.

    Attributes:
        class_scores: (D,), s_cls.
        mask_ious: (D,), s_iou, from the mask score where the results leave it out.
        mask_scores: (D,), s_cls * s_iou.
        maskness: (D,), s_cls * mean foreground probability.
        calibrated_scores: (D,), what a calibration made of one of these.
    """

    class_scores: Column
    mask_ious: Column | None
    mask_scores: Column | None
    maskness: Column | None
    calibrated_scores: Column | None = None

    @classmethod
    def of(cls, detections: Sequence[Detection]) -> "ScoreColumns":
        """Reads them off results; every detection has a ``score``."""
        class_scores = np.array([d["score"] for d in detections], float)
        mask_scores = _column(detections, "mask_score")
        mask_ious = _column(detections, "mask_iou")
        if mask_scores is not None:
            told = np.divide(
                mask_scores, class_scores, where=class_scores != 0, out=np.zeros(len(detections))
            )
            mask_ious = told if mask_ious is None else _filled(mask_ious, told)
        foreground = _column(detections, "foreground_prob")
        maskness = None if foreground is None else class_scores * foreground
        calibrated = _column(detections, "calibrated_score")
        return cls(class_scores, mask_ious, mask_scores, maskness, calibrated)

    @property
    def beside_class_scores(self) -> dict[str, Column]:
        """The other scores that there are."""
        others = {
            MASK_SCORE: self.mask_scores,
            MASKNESS: self.maskness,
            CALIBRATED_SCORE: self.calibrated_scores,
        }
        return {name: values for name, values in others.items() if values is not None}

    def rankings(self, true_ious: Column) -> dict[str, Floats]:
        """Ranking -> (D,) scores to rank by.

        A detection without a score that others have ranks by its class score among them, as in
        MMDetection's ``CocoMetric``. The oracle is there if class scores are in [0, 1]: times a
        negative one, a better mask would rank lower.

        Args:
            true_ious: (D,); NaN for what does not count.
        """
        rankings = {CLASS_SCORE: self.class_scores}
        for name, values in self.beside_class_scores.items():
            rankings[name] = _filled(values, self.class_scores)
        if in_unit_interval(self.class_scores):
            rankings[ORACLE] = self.class_scores * np.nan_to_num(true_ious)
        return rankings


def score_and_factors(columns: ScoreColumns, score: str) -> tuple[Floats, Floats]:
    """A score and what it is the product of.

    A detection without the other factor, where others have one, ranks by its class score.

    Args:
        columns: Of D detections.
        score: ``class_score``, ``mask_score`` or ``maskness``.

    Returns:
        (D,) scores; (1, D) or (2, D): the class scores and, but for ``class_score``, the other
        factor.

    Raises:
        UserError: The detections lack the score, or a score or factor leaves [0, 1].
    """
    class_scores = columns.class_scores
    columns_of = {
        CLASS_SCORE: class_scores,
        MASK_SCORE: columns.mask_scores,
        MASKNESS: columns.maskness,
    }
    values = columns_of[score]
    words = _words(score)
    if values is None:
        there = " or ".join(name for name, column in columns_of.items() if column is not None)
        raise UserError(
            f"the detections have no {words}: fit a calibration of what they have, --score {there}"
        )
    scores = np.where(np.isnan(values), class_scores, values)
    rows: list[Floats] = [class_scores]
    if score == MASK_SCORE and columns.mask_ious is not None:
        rows.append(columns.mask_ious)
    if score == MASKNESS:
        rows.append(
            np.divide(scores, class_scores, where=class_scores != 0, out=np.zeros(len(scores)))
        )
    factors = np.stack(rows)
    factors[1:][np.isnan(factors[1:])] = 1
    factors[(factors > 1) & (factors < 1 + 1e-6)] = 1  # a ratio of rounded scores
    everything = np.stack([scores, *factors])
    outside = ~((everything >= 0) & (everything <= 1)).all(axis=0)
    if outside.any():
        raise UserError(
            f"detection {int(outside.argmax())} has a {words}, or a factor of it, outside [0, 1]:"
            " only scores in [0, 1] can be calibrated"
        )
    return scores, factors


def notes_on(rankings: Mapping[str, Floats], columns: ScoreColumns) -> list[str]:
    """What a reader must know of the scores, a sentence each."""
    notes = []
    for name, values in columns.beside_class_scores.items():
        lacking = int(np.isnan(values).sum())
        if lacking:
            notes.append(f"{lacking} detections have no {_words(name)}: they rank by class score")
    for name, values in rankings.items():
        if name != ORACLE and not in_unit_interval(values):
            notes.append(
                f"the {_words(name)} goes from {values.min():.3g} to {values.max():.3g}: outside"
                " [0, 1] it ranks masks, but has no calibration"
                + (", and there is no oracle" if name == CLASS_SCORE else "")
            )
    return notes


def in_unit_interval(values: Floats) -> bool:
    """Whether all are in [0, 1]."""
    return bool(np.all((values >= 0) & (values <= 1)))


def _words(name: str) -> str:
    return name.replace("_", " ")


def _column(detections: Sequence[Detection], entry: str) -> Column | None:
    if not any(entry in d for d in detections):
        return None
    return np.array([d.get(entry, np.nan) for d in detections], float)


def _filled(values: Column, others: Column) -> Column:
    return np.where(np.isnan(values), others, values)
