"""Defines the protocol of an evaluation, and the names of its scores and columns."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools.coco import COCO

from msrcnn_mm.errors import UserError

CLASS_SCORE = "class_score"
MASK_SCORE = "mask_score"
MASKNESS = "maskness"
AGREEMENT_SCORE = "agreement_score"
CONSENSUS = "consensus"
RESCORED_SCORE = "rescored_score"
QUALITY_ORACLE = "quality_oracle"
ORACLE = "oracle"
TP_SHARE = "tp_share"

UNFITTED_SCORES = (CLASS_SCORE, MASK_SCORE, MASKNESS, AGREEMENT_SCORE, CONSENSUS)
"""Scores of a detector and of its views, which are not fitted to its results."""

SCORES = (*UNFITTED_SCORES, RESCORED_SCORE)
"""All scores: these, and the one that a re-scorer gives."""

SHOWN_BY_DEFAULT = (RESCORED_SCORE, MASK_SCORE, CLASS_SCORE)
"""Scores of which the first that there is selects the masks to show, unless the user names one."""

REFERENCES = (QUALITY_ORACLE, ORACLE, TP_SHARE)
"""Rankings that know the ground truth: what scores could reach on the same masks."""


def words(score: str) -> str:
    """Returns a score's name as text: ``mask score``."""
    return score.replace("_", " ").replace("tp ", "TP ")


CORRECT_IOU = 0.5
"""IoU from which on a detection is correct, for LRP, D-ECE and the correlations."""

MATCHED_IOU = 0.1
"""True IoU from which on a mask is of an instance, not a false alarm.

The value is that of TIDE (Bolya et al., ECCV 2020).
"""

COLUMNS = ("AP", "AP50", "AP75", "APs", "APm", "APl")

AREA_RANGES = ((0.0, 1e10), (0.0, 32.0**2), (32.0**2, 96.0**2), (96.0**2, 1e10))
"""COCO's sizes in pixels, both ends included: all, small, medium, large."""

RECALLS = np.linspace(0, 1, 101)
"""Recalls at which COCO's AP reads precision."""


@dataclass(frozen=True)
class Protocol:
    """Classes, images, thresholds and numbers of detections that count.

    Attributes:
        category_ids: The categories that count.
        image_ids: The images that count, with and without ground truth.
        max_dets: Numbers of best-ranked detections of a class in an image that count, ascending;
            AP50 to APl take the last.
        ap_max_dets: The one of ``max_dets`` that AP takes, and calibration and LRP with it.
        iou_thrs: (T,), IoUs from which on a detection is correct; AP is their mean.
    """

    category_ids: Sequence[int]
    image_ids: Sequence[Any]
    max_dets: Sequence[int]
    ap_max_dets: int
    iou_thrs: NDArray[np.float64]


def coco_protocol(coco: COCO, max_dets: int = 100) -> Protocol:
    """Returns COCO's protocol: all images and categories, IoUs from 0.5 to 0.95.

    Args:
        coco: The annotations.
        max_dets: Number of detections of a class in an image that count; 100 in COCO.

    Raises:
        UserError: ``max_dets`` is below 1.
    """
    if max_dets < 1:
        raise UserError(f"max_dets must be an integer >= 1, not {max_dets}")
    return Protocol(
        category_ids=coco.getCatIds(),
        image_ids=coco.getImgIds(),
        max_dets=(1, 10, max_dets),
        ap_max_dets=max_dets,
        iou_thrs=np.linspace(0.5, 0.95, 10),
    )
