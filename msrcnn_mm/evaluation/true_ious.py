"""Computes the true IoU, which a perfect scorer would predict.

The oracle ranking replaces s_iou by it and nothing else, so its AP is the most that mask scoring
can reach on given masks.
"""

import numpy as np
from pycocotools.coco import COCO

from msrcnn_mm.coco.detections import Column, Detections

from .overlaps import overlaps_of


def true_ious(coco: COCO, detections: Detections) -> Column:
    """Computes the IoU of each mask with the instance of its class that it fits best.

    Several masks may have the same instance: duplicates are found by the matching.

    Args:
        coco: The annotations; only those of the detections' images are decoded.
        detections: D detections with masks.

    Returns:
        (D,), in [0, 1]; 0 where the image has no instance of the class. Crowd regions, which are
        sets of instances, are left out.

    Raises:
        UserError: The detections lack masks.
    """
    overlaps = overlaps_of(coco, detections, detections.category_ids, detections.image_ids)
    return np.nan_to_num(overlaps.spread(overlaps.best_ious(), len(detections)))
