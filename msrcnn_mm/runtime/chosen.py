"""Selects detections by the score and the threshold that a user chose."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from msrcnn_mm.coco.detections import Column, Detections
from msrcnn_mm.errors import UserError
from msrcnn_mm.evaluation.overlaps import mask_areas
from msrcnn_mm.evaluation.protocol import SHOWN_BY_DEFAULT
from msrcnn_mm.evaluation.rankings import filled_scores


class Choice(NamedTuple):
    """A score and its threshold.

    Attributes:
        score: One of :data:`.protocol.SCORES`; None for the first of rescored score, mask score
            and class score that the detections have.
        threshold: In [0, 1].
    """

    score: str | None
    threshold: float

    def name(self, detections: Detections) -> str:
        """Returns the name of the score.

        Raises:
            UserError: The detections do not have it.
        """
        present = filled_scores(detections)
        if self.score is None:
            return next(name for name in SHOWN_BY_DEFAULT if name in present)
        if self.score not in present:
            raise UserError(
                f"--score-by {self.score}: the model predicts {', '.join(present)}; --views adds"
                " agreement_score and consensus, --rescorer adds rescored_score"
            )
        return self.score

    def scores(self, detections: Detections) -> Column:
        """Returns (D,) values of the score; of a detection without it the class score."""
        return filled_scores(detections)[self.name(detections)]

    def select(self, detections: Detections) -> NDArray[np.bool_]:
        """Returns (D,) whether a detection has the threshold or more, and a mask of some pixels."""
        return (self.scores(detections) >= self.threshold) & (areas(detections) > 0)


def areas(detections: Detections) -> Column:
    """Returns (D,) areas of the masks in pixels."""
    return mask_areas(detections.masks or ())
