"""Defines a detector together with its evaluation, the subject of a report."""

from dataclasses import dataclass
from statistics import median

from msrcnn_mm.coco.detections import Column, Detections
from msrcnn_mm.evaluation.evaluation_result import ScoreEvaluation
from msrcnn_mm.evaluation.protocol import SCORES
from msrcnn_mm.evaluation.rankings import score_columns


@dataclass(frozen=True)
class EvaluatedDetector:
    """A detector's masks and their evaluation.

    Attributes:
        name: The detector's name on the page.
        detections: D detections with masks.
        evaluation: The evaluation of these detections.
    """

    name: str
    detections: Detections
    evaluation: ScoreEvaluation

    @property
    def scores(self) -> list[str]:
        """Names of the scores that the masks have, the class score first."""
        return [name for name in SCORES if name in self.evaluation.rankings]

    @property
    def quality_score(self) -> str | None:
        """Name of the first score behind the class score; None if the results have no other."""
        return next(iter(self.scores[1:]), None)

    @property
    def threshold_score(self) -> str:
        """Name of the score whose best thresholds leave the least LRP error."""

        def error(score: str) -> float:
            value = self.evaluation.lrp[score].optimal.error
            return 1.0 if value is None else value

        return min(self.scores, key=error)

    @property
    def true_ious(self) -> Column:
        """(D,), true IoU of each mask; NaN where its class or image does not count."""
        return self.evaluation.detections.true_ious

    def column(self, score: str) -> Column:
        """Returns (D,) values of a score; NaN for a mask without it."""
        return score_columns(self.detections)[score]

    def thresholds(self, score: str) -> list[float]:
        """Returns the best thresholds of the classes that have one, ascending."""
        lrps = [c.scores[score].lrp for c in self.evaluation.classes if score in c.scores]
        return sorted(lrp.threshold for lrp in lrps if lrp and lrp.threshold is not None)

    def threshold(self, score: str) -> float | None:
        """Returns the median of :meth:`thresholds`; None if no class has one."""
        values = self.thresholds(score)
        return median(values) if values else None
