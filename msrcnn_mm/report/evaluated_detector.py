"""What a report is about."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from msrcnn_mm.coco.detections import Detection
from msrcnn_mm.evaluation.protocol import (
    CALIBRATED_SCORE,
    CLASS_SCORE,
    MASK_SCORE,
    MASKNESS,
    SCORES,
)
from msrcnn_mm.evaluation.score_evaluation import Column, ScoreEvaluation


@dataclass(frozen=True)
class ReportModel:
    """A detector under test.

    Attributes:
        name: What the page calls it.
        detections: D masks in COCO's results format.
        evaluation: Of these detections.
    """

    name: str
    detections: Sequence[Detection]
    evaluation: ScoreEvaluation

    @property
    def scores(self) -> list[str]:
        """The scores that these masks have, the class score first."""
        return [name for name in SCORES if name in self.evaluation.rankings]

    @property
    def better_score(self) -> str | None:
        """What should rank masks better than the class score: mask score, or else maskness."""
        return next((s for s in (MASK_SCORE, MASKNESS) if s in self.evaluation.rankings), None)

    @property
    def best_to_cut_on(self) -> str:
        """The score of which a threshold leaves the least LRP error."""

        def error(score: str) -> float:
            value = self.evaluation.lrp[score].optimal.error
            return 1.0 if value is None else value

        return min(self.scores, key=error)

    def column(self, score: str) -> Column:
        """(D,), a score; NaN for a mask without it."""
        columns = self.evaluation.detections
        column = {
            CLASS_SCORE: columns.class_scores,
            MASK_SCORE: columns.mask_scores,
            MASKNESS: columns.maskness,
            CALIBRATED_SCORE: columns.calibrated_scores,
        }[score]
        assert column is not None
        return column

    def thresholds(self, score: str) -> list[float]:
        """The best thresholds of the classes that have one, ascending."""
        lrps = [c.scores[score].lrp for c in self.evaluation.classes if score in c.scores]
        return sorted(lrp.threshold for lrp in lrps if lrp and lrp.threshold is not None)

    def threshold(self, score: str) -> float | None:
        """Their median; None without any."""
        values = self.thresholds(score)
        return median(values) if values else None
