"""What an evaluation is computed over, and the names of its parts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools.coco import COCO

CLASS_SCORE = "class_score"
MASK_SCORE = "mask_score"
MASKNESS = "maskness"
ORACLE = "oracle"

SCORES = (CLASS_SCORE, MASK_SCORE, MASKNESS)
"""The scores that a detector can give a mask."""

RANKINGS = (*SCORES, ORACLE)
"""What masks are ranked by: those scores, and one that only the ground truth can tell."""

COLUMNS = ("AP", "AP50", "AP75", "APs", "APm", "APl")

AREA_RANGES = ((0.0, 1e10), (0.0, 32.0**2), (32.0**2, 96.0**2), (96.0**2, 1e10))
"""COCO's sizes in pixels, both ends included: all, small, medium, large."""

RECALLS = np.linspace(0, 1, 101)
"""Where COCO's AP reads precision."""


@dataclass(frozen=True)
class Protocol:
    """What an AP is computed over.

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


def coco_protocol(coco: COCO) -> Protocol:
    """COCO's own: all images and categories, 100 detections, IoUs from 0.5 to 0.95."""
    return Protocol(
        category_ids=coco.getCatIds(),
        image_ids=coco.getImgIds(),
        max_dets=(1, 10, 100),
        ap_max_dets=100,
        iou_thrs=np.linspace(0.5, 0.95, 10),
    )
