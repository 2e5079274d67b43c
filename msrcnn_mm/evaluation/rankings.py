"""AP of one set of masks, ranked in turn by class score, by mask score and by the oracle."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pycocotools.coco import COCO
from terminaltables import AsciiTable

from .average_precision import UNDEFINED, average_precisions
from .detections import Detection
from .oracle import ground_truth_masks, true_mask_ious
from .protocol import COLUMNS, Protocol

# Two rankings that differ in nothing have APs that differ in rounding at most.
_NO_GAP = 1e-9


@dataclass(frozen=True)
class ScoreRankings:
    """APs of the same masks in three orders.

    Attributes:
        class_score: (6,), in the order of :data:`COLUMNS`; each in [0, 1] or :data:`UNDEFINED`.
        mask_score: The same; None for a detector without mask scores.
        oracle: The same.
    """

    class_score: NDArray[np.float64]
    mask_score: NDArray[np.float64] | None
    oracle: NDArray[np.float64]

    @property
    def oracle_gap(self) -> float | None:
        """AP(oracle) - AP(class score); None where there is no AP, for want of ground truth."""
        if UNDEFINED in (self.class_score[0], self.oracle[0]):
            return None
        return float(self.oracle[0] - self.class_score[0])

    @property
    def recovered_share(self) -> float | None:
        """(AP(mask score) - AP(class score)) / gap: 1 is the oracle, below 0 is harm.

        None without mask scores, and where there is no gap to recover a share of.
        """
        gap = self.oracle_gap
        if self.mask_score is None or gap is None or gap < _NO_GAP:
            return None
        return float(self.mask_score[0] - self.class_score[0]) / gap

    def table(self, protocol: Protocol) -> str:
        """The rankings as a text table in percent, and what the gap is below it."""
        rows = [("class score", self.class_score), ("oracle", self.oracle)]
        if self.mask_score is not None:
            rows.insert(1, ("mask score", self.mask_score))
        cells = [[name, *(_percent(value) for value in values)] for name, values in rows]
        table = AsciiTable([["segm, ranked by", *COLUMNS], *cells])
        for column in range(1, len(COLUMNS) + 1):
            table.justify_columns[column] = "right"
        return f"{table.table}\n{self._gap_line()}\n{_protocol_line(protocol)}"

    def _gap_line(self) -> str:
        gap, share = self.oracle_gap, self.recovered_share
        if gap is None:
            return "oracle gap: undefined, there is no ground truth"
        line = f"oracle gap: {_percent(gap)} points"
        if self.mask_score is None:
            return line
        if share is None:
            return f"{line}; recovered share: undefined, the oracle gains nothing"
        return f"{line}; recovered share: {_percent(share)}%"


def rank_by_scores(
    coco: COCO, detections: Sequence[Detection], protocol: Protocol
) -> ScoreRankings:
    """Evaluates the masks of ``detections`` in each of their orders.

    Args:
        coco: The annotations.
        detections: With ``segmentation``. Where only some carry ``mask_score``, the others rank by
            class score among them, as in MMDetection's ``CocoMetric``.
        protocol: What the APs are computed over.

    Returns:
        The three APs; ``mask_score`` None if no detection carries one.
    """
    class_scores = np.array([d["score"] for d in detections])
    mask_scores = None
    if any("mask_score" in d for d in detections):
        mask_scores = np.array([d.get("mask_score", d["score"]) for d in detections])
    oracle_scores = class_scores * true_mask_ious(detections, ground_truth_masks(coco))

    def ranked_by(scores: NDArray[np.float64]) -> NDArray[np.float64]:
        return average_precisions(coco, detections, scores, protocol)

    return ScoreRankings(
        class_score=ranked_by(class_scores),
        mask_score=None if mask_scores is None else ranked_by(mask_scores),
        oracle=ranked_by(oracle_scores),
    )


def _percent(value: float) -> str:
    return "-" if value == UNDEFINED else f"{100 * value:.1f}"


def _protocol_line(protocol: Protocol) -> str:
    most = protocol.max_dets[-1]
    if protocol.ap_max_dets == most:
        return f"percent; at most {most} detections of a class in an image"
    return (
        f"percent; at most {protocol.ap_max_dets} detections of a class in an image for AP,"
        f" {most} for the other columns"
    )
