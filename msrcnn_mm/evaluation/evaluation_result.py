"""Holds the results of an evaluation as plain data.

Figures are shares in [0, 1], not percent. None stands for an undefined figure, such as an AP
without ground truth. Rankings and scores have the names in :mod:`.protocol`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np

from msrcnn_mm.coco.detections import Column

from .score_errors import CalibrationErrors, ClassScore, Lrp

Aps = dict[str, float | None]
"""AP, AP50, AP75, APs, APm, APl, by these names."""


@dataclass(frozen=True)
class DetectionColumns:
    """D detections, in the order in which they were given.

    Attributes:
        image_ids: (D,).
        category_ids: (D,).
        class_scores: s_cls.
        mask_ious: s_iou, from the mask score where the results leave it out; None without both.
        mask_scores: s_cls * s_iou; None if no detection has one.
        maskness: s_cls * mean foreground probability; None if no detection has one.
        agreement_scores: Maskness x agreement; None if no detection has one.
        consensus: sqrt(class score x expected agreement) x mean foreground probability; None
            likewise.
        rescored_scores: A re-scorer's; None if no detection has one.
        true_ious: IoU of the mask with the instance of its class that it fits best; 0 without one.
            NaN where the class or image does not count.
        tp_shares: Share of the IoU thresholds at which the mask is matched in class-score order;
            NaN as above, and where COCO ignores the mask.
        areas: Of the masks, pixels; NaN as above.
        matched_ious: Score -> the target of its calibration. With detections in the order of that
            score, the IoU of the mask with the instance that it finds, 0 for a false alarm or
            duplicate, NaN where it does not count (in a crowd region; beyond the most detections).
    """

    image_ids: list[Any]
    category_ids: list[int]
    class_scores: Column
    mask_ious: Column | None
    mask_scores: Column | None
    maskness: Column | None
    agreement_scores: Column | None
    consensus: Column | None
    rescored_scores: Column | None
    true_ious: Column
    tp_shares: Column
    areas: Column
    matched_ious: dict[str, Column]


@dataclass(frozen=True)
class Ranking:
    """AP of the masks in one order.

    Attributes:
        ap: pycocotools' six figures.
        ar: Highest recall, mean over IoUs and classes: ``AR@N`` for each of the protocol's numbers
            of detections that count, then ``ARs``, ``ARm`` and ``ARl`` at the last number.
        ap_at_most: AP at the most detections, at which AP50 to APl are; may equal AP.
        ap_by_iou: AP at each of the protocol's IoU thresholds.
        recovered_share: By column, (AP - AP by class score) / quality gap; None where there is no
            gap, 0 for the class score and 1 for the quality oracle where there is.
    """

    ap: Aps
    ar: dict[str, float | None]
    ap_at_most: float | None
    ap_by_iou: list[float | None]
    recovered_share: Aps


@dataclass(frozen=True)
class MaskIouQuality:
    """Errors of s_iou against the true IoU, over the masks that are of an instance.

    Attributes:
        masks: Number of masks.
        mean_absolute_error: Mean of |s_iou - true IoU|.
        bias: Mean of s_iou - true IoU; above 0, s_iou is too high.
        pearson: Correlation with the true IoU.
        spearman: Correlation of the ranks, ties averaged.
        auroc: Share of pairs of a mask above IoU 0.75 and one below in which s_iou of the first is
            higher; ties count half.
    """

    masks: int
    mean_absolute_error: float | None
    bias: float | None
    pearson: float | None
    spearman: float | None
    auroc: float | None


@dataclass(frozen=True)
class Resamples:
    """Figures on B sets of images drawn with replacement, by which differences are judged.

    Every evaluation of the same images draws the same sets, so figures of two detectors can be
    compared set by set.

    Attributes:
        aps: Score, and quality oracle -> (B,) APs; NaN for a set without ground truth.
        laeces: Score in [0, 1] -> (B,) LaECE_0; NaN for a set without ground truth or detection.
    """

    aps: dict[str, Column]
    laeces: dict[str, Column]


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95% interval over images.

    Attributes:
        value: The figure on the images at hand.
        low: Lower end; None where there are too few images with masks for an interval.
        high: Upper end; likewise.
    """

    value: float
    low: float | None
    high: float | None

    @property
    def sign(self) -> int | None:
        """1 above 0, -1 at 0 or below, as far as the whole interval is; None if it is not."""
        if self.low is None or self.high is None:
            return None
        return 1 if self.low > 0 else -1 if self.high <= 0 else None


@dataclass(frozen=True)
class ClassEvaluation:
    """Evaluation of one class.

    Attributes:
        category_id: Its id in the annotations.
        name: Its name there.
        instances: Number of annotated ones, crowd regions left out.
        detections: Number of masks of this class.
        rankings: Ranking -> AP in this class alone.
        oracle_gap: By column, AP(oracle) - AP(class score): the sum of the next two.
        quality_gap: By column, AP(quality oracle) - AP(class score).
        false_alarm_gap: By column, AP(oracle) - AP(quality oracle).
        scores: Score -> its calibration and LRP in this class.
    """

    category_id: int
    name: str
    instances: int
    detections: int
    rankings: dict[str, Ranking]
    oracle_gap: Aps
    quality_gap: Aps
    false_alarm_gap: Aps
    scores: dict[str, ClassScore]


@dataclass(frozen=True)
class ScoreEvaluation:
    """Results of an evaluation.

    Attributes:
        images: Number of images.
        instances: Number of annotated instances, crowd regions left out.
        iou_thrs: The protocol's IoU thresholds.
        max_dets: At most so many detections of a class in an image count for AP50 to APl.
        ap_max_dets: At most so many count for AP, calibration and LRP.
        rankings: Ranking -> AP. Class score and TP share always, the other scores where the
            results hold them, the oracles where class scores are in [0, 1].
        boundary: The same rankings measured with Boundary IoU; None unless asked for.
        oracle_gap: By column, AP(oracle) - AP(class score): the sum of the next two.
        quality_gap: By column, AP(quality oracle) - AP(class score): what mask scoring can win.
        false_alarm_gap: By column, AP(oracle) - AP(quality oracle): what only a better classifier
            can.
        resamples: None where fewer than 10 images have masks or fewer than 10 have instances.
        ap_gains: Score other than the class score, and quality oracle -> AP - AP(class score).
        laece_intervals: Score -> its LaECE_0.
        laece_changes: Score other than the class score -> LaECE_0 - LaECE_0 of the class score;
            below 0, its numbers are nearer to the mask's IoU.
        mask_iou_quality: None where the results hold no s_iou.
        calibration_errors: Score -> its errors; scores that leave [0, 1] have none.
        lrp: Score -> LRP.
        classes: In the order of the category ids.
        notes: Facts about the results that qualify the figures, a sentence each.
        detections: One value a detection.
    """

    images: int
    instances: int
    iou_thrs: list[float]
    max_dets: int
    ap_max_dets: int
    rankings: dict[str, Ranking]
    boundary: dict[str, Ranking] | None
    oracle_gap: Aps
    quality_gap: Aps
    false_alarm_gap: Aps
    resamples: Resamples | None
    ap_gains: dict[str, Estimate]
    laece_intervals: dict[str, Estimate]
    laece_changes: dict[str, Estimate]
    mask_iou_quality: MaskIouQuality | None
    calibration_errors: dict[str, CalibrationErrors]
    lrp: dict[str, Lrp]
    classes: list[ClassEvaluation]
    notes: list[str]
    detections: DetectionColumns


def as_json(part: Any) -> Any:
    """Converts an evaluation, or a part of one, to values that ``json.dumps`` takes.

    Args:
        part: An object of a class above, or a value of its fields.

    Returns:
        Dictionaries by field name, lists, and plain values; NaN becomes None.
    """
    if type(part) in (int, str):  # first, because there are as many as detections
        return part
    if is_dataclass(part):
        return {field.name: as_json(getattr(part, field.name)) for field in fields(part)}
    if isinstance(part, Mapping):
        return {str(key): as_json(value) for key, value in part.items()}
    if isinstance(part, np.ndarray):
        values = part.astype(object)
        if part.dtype.kind == "f":
            values[np.isnan(part)] = None
        return values.tolist()
    if isinstance(part, list | tuple):
        return [as_json(value) for value in part]
    if isinstance(part, np.generic):
        return as_json(part.item())
    return None if isinstance(part, float) and part != part else part
