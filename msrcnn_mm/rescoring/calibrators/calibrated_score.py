"""Scores detections by a calibrator of one of their scores.

Shape shorthand: D detections.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

import numpy as np

from msrcnn_mm.coco.detections import Column, Detections
from msrcnn_mm.coco.json_values import texts
from msrcnn_mm.errors import UserError
from msrcnn_mm.evaluation.overlaps import Floats
from msrcnn_mm.evaluation.protocol import AGREEMENT_SCORE, CONSENSUS, UNFITTED_SCORES, words
from msrcnn_mm.evaluation.rankings import score_columns

from ..features.agreement import with_agreement
from ..features.collect import kinds_given
from ..features.views import View
from .exponents import Exponents
from .factors import score_and_factors
from .isotonic import Isotonic
from .temperature import Temperature

Calibrator = Exponents | Temperature | Isotonic

CALIBRATORS: dict[str, type[Calibrator]] = {
    "exponents": Exponents,
    "temperature": Temperature,
    "isotonic": Isotonic,
}


@dataclass(frozen=True)
class CalibratedScore:
    """One score of detections, corrected by a calibrator: the expected matched IoU.

    Attributes:
        method: Name of the calibrator in :data:`CALIBRATORS`.
        score: A name of :data:`msrcnn_mm.evaluation.protocol.UNFITTED_SCORES`.
        calibrator: The fitted calibrator.
        views: Sorted kinds of the views of an agreement score or consensus; none of other scores.
    """

    method: str
    score: str
    calibrator: Calibrator
    views: list[str] = field(default_factory=list)

    needs_masks: ClassVar[bool] = False

    @classmethod
    def fit(
        cls, method: str, score: str, detections: Detections, matched: Column
    ) -> "CalibratedScore":
        """Fits a calibrator to the matched IoU, which is LaECE_0's target.

        All classes are fitted together, because each class of a small data set has too few
        detections.

        Args:
            method: Name of the calibrator.
            score: Name of the score.
            detections: D detections that all have the score.
            matched: (D,), IoU with the instance that a mask finds with detections in the order of
                the score, 0 for a false alarm or duplicate, NaN for a detection that does not
                count.

        Raises:
            UserError: Detections lack the score or leave [0, 1], or none counts.
        """
        values = cls._values(method, score, detections)
        lacking = int(np.isnan(score_columns(detections)[score]).sum())
        if lacking:
            raise UserError(
                f"{lacking} of {len(detections)} detections have no {words(score)}: fit to"
                " results that all have one, or to a score that these have, --score class_score"
            )
        counts = ~np.isnan(matched)
        if not counts.any():
            raise UserError("no detection counts, so there is nothing to fit to")
        calibrator = CALIBRATORS[method].fit(values[..., counts], matched[counts])
        views = kinds_given(detections, ()) if score in (AGREEMENT_SCORE, CONSENSUS) else []
        return cls(method, score, calibrator, views)

    def scores(self, detections: Detections, views: Sequence[View] = ()) -> Column:
        """Returns (D,) scores in [0, 1] of D >= 1 detections, in double precision.

        A detection without the score, where others have one, has its class score instead.

        Args:
            detections: D >= 1 detections, for an agreement score or consensus with masks if
                ``views`` are given.
            views: Results of the same images in other views.

        Raises:
            UserError: No detection has the score, or one leaves [0, 1].
        """
        if views:
            detections = with_agreement(detections, views)
        return self.calibrator.apply(self._values(self.method, self.score, detections))

    @staticmethod
    def _values(method: str, score: str, detections: Detections) -> Floats:
        """Returns what a calibrator takes: (D,) scores, or for exponents their (F, D) factors."""
        scores, factors = score_and_factors(detections, score)
        return factors if method == "exponents" else scores

    def describe(self) -> str:
        """Returns the method in words."""
        return f"{self.calibrator.describe()} of the {words(self.score)}"

    def to_json(self) -> dict[str, Any]:
        """Returns keys and values that :meth:`from_json` reads."""
        return {
            "method": self.method,
            "score": self.score,
            "views": self.views,
            "parameters": asdict(self.calibrator),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "CalibratedScore":
        """Reads what :meth:`to_json` returned.

        Raises:
            UserError: A value is none that it can be.
            KeyError: One is missing; or ``TypeError``, ``ValueError``: one has another form.
        """
        method, score = content["method"], content["score"]
        if score not in UNFITTED_SCORES:
            raise UserError(f"score must be one of {', '.join(UNFITTED_SCORES)}, not {score!r}")
        calibrator = CALIBRATORS[method](**content["parameters"])
        return cls(method, score, calibrator, texts(content.get("views", []), "views"))
