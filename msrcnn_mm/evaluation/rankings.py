"""AP of one set of masks, ranked in turn by class score, by mask score and by the oracle."""

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools.coco import COCO
from terminaltables import AsciiTable

from .detections import Detection
from .fast_coco_eval import FastCOCOeval
from .oracle import ground_truth_masks, true_mask_ious

COLUMNS = ("AP", "AP50", "AP75", "APs", "APm", "APl")
UNDEFINED = -1.0
"""pycocotools' AP where nothing was there to be found."""

# Two rankings that differ in nothing have APs that differ in rounding at most.
_NO_GAP = 1e-9


@dataclass(frozen=True)
class Protocol:
    """What an AP is computed over.

    Attributes:
        category_ids: The categories that count.
        image_ids: The images that count, with and without ground truth.
        max_dets: Numbers of best-ranked detections of a class in an image that count, ascending;
            AP50 to APl take the last.
        ap_max_dets: The one of ``max_dets`` that AP takes.
        iou_thrs: (T,), IoUs from which on a detection is correct; AP is their mean.
    """

    category_ids: Sequence[int]
    image_ids: Sequence[Any]
    max_dets: Sequence[int]
    ap_max_dets: int
    iou_thrs: NDArray[np.float64]


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


def average_precisions(
    coco: COCO,
    detections: Sequence[Detection],
    scores: Sequence[float] | NDArray[np.float64],
    protocol: Protocol,
    iou_type: str = "segm",
) -> NDArray[np.float64]:
    """APs by pycocotools of ``detections`` ranked by ``scores``.

    Args:
        coco: The annotations.
        detections: D detections, of images that ``coco`` knows.
        scores: (D,), what to rank by.
        protocol: What the APs are computed over.
        iou_type: ``segm`` or ``bbox``.

    Returns:
        (6,), in the order of :data:`COLUMNS`; each in [0, 1], or :data:`UNDEFINED` where no ground
        truth of that kind exists.
    """
    shape = "segmentation" if iou_type == "segm" else "bbox"
    # No box beside a mask: pycocotools would sort the mask into APs, APm, APl by the box's area.
    ranked = [
        {
            "image_id": d["image_id"],
            "category_id": d["category_id"],
            "score": float(s),
            shape: d[shape],
        }
        for d, s in zip(detections, scores, strict=True)
    ]
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools tells its progress by print
        evaluation = FastCOCOeval(coco, _as_coco(coco, ranked), iou_type)
        evaluation.params.catIds = list(protocol.category_ids)
        evaluation.params.imgIds = list(protocol.image_ids)
        evaluation.params.maxDets = list(protocol.max_dets)
        evaluation.params.iouThrs = protocol.iou_thrs
        evaluation.evaluate()
        evaluation.accumulate()
    return _summary(evaluation.eval["precision"], protocol)


def _as_coco(coco: COCO, detections: list[dict[str, Any]]) -> COCO:
    """``coco.loadRes``, which cannot load a list of none."""
    if detections:
        return coco.loadRes(detections)
    results = COCO()
    results.dataset = {**coco.dataset, "annotations": []}
    results.createIndex()
    return results


def _summary(precision: NDArray[np.float64], protocol: Protocol) -> NDArray[np.float64]:
    """The first six numbers of ``COCOeval.summarize``, which knows AP at 100 detections only.

    Args:
        precision: (IoU thresholds, recalls, categories, areas, max_dets), UNDEFINED where there is
            no ground truth.
        protocol: The axes' values.
    """

    def mean(thresholds: Any = slice(None), area: int = 0, max_dets: int = -1) -> float:
        values = precision[thresholds, :, :, area, max_dets]
        defined = values[values > UNDEFINED]
        return float(np.mean(defined)) if defined.size else UNDEFINED

    def at(iou: float) -> NDArray[np.bool_]:
        return np.asarray(protocol.iou_thrs) == iou

    whole = mean(max_dets=list(protocol.max_dets).index(protocol.ap_max_dets))
    return np.array([whole, mean(at(0.5)), mean(at(0.75)), *(mean(area=a) for a in (1, 2, 3))])


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
