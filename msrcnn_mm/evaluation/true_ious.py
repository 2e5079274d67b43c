"""Computes the true IoU, and what of it a perfect scorer could predict.

The oracle replaces s_iou by the true IoU, which is 0 for a mask of no object: it removes false
alarms, and no judge of masks can know them. The quality oracle gives them the mean true IoU of the
others, so that it ranks masks of objects by quality and leaves false alarms where the class score
has them. Its AP is what mask scoring can reach on given masks.
"""

import numpy as np
from pycocotools.coco import COCO

from msrcnn_mm.coco.detections import Column, Detections

from .overlaps import Floats, overlaps_of
from .protocol import MATCHED_IOU


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


def quality_ious(true_ious: Column) -> Floats:
    """Returns the mask IoUs by which the quality oracle ranks.

    Args:
        true_ious: (D,), of all masks of a results file; NaN for a mask that does not count.

    Returns:
        (D,): the true IoU of a mask of an object, which is at least 0.1. Every other mask has the
        mean over all masks of objects, of all classes; 1 if there are none.
    """
    of_object = true_ious >= MATCHED_IOU  # False for NaN
    mean = float(true_ious[of_object].mean()) if of_object.any() else 1.0
    return np.where(of_object, true_ious, mean)
