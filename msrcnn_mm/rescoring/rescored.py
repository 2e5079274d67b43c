"""Holds the scores that a re-scorer gives detections.

Shape shorthand: D detections.
"""

from dataclasses import dataclass, replace

from msrcnn_mm.coco.detections import Column, Detections


@dataclass(frozen=True)
class Rescored:
    """Holds the scores and expectations that a re-scorer gives D detections.

    Attributes:
        scores: (D,), in [0, 1], which rank masks: the expected TP share by trees, the expected
            matched IoU by the other methods.
        ious: (D,), expected IoU with the instance that the mask finds; rises with the score. None
            if the file has no curve for it.
        precisions: (D,), expected share of correct detections at IoU 0.5; likewise.
    """

    scores: Column
    ious: Column | None
    precisions: Column | None

    def added_to(self, detections: Detections) -> Detections:
        """Returns the D detections with these scores in place of those that they have."""
        return replace(
            detections,
            rescored_scores=self.scores,
            expected_ious=self.ious,
            expected_precisions=self.precisions,
        )

    def columns(self) -> dict[str, Column]:
        """Returns column of :class:`Detections` -> (D,)."""
        columns = {
            "rescored_scores": self.scores,
            "expected_ious": self.ious,
            "expected_precisions": self.precisions,
        }
        return {name: column for name, column in columns.items() if column is not None}
