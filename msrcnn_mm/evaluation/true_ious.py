"""Computes the true IoU: that of a mask with the instance of its class that it fits best.

A perfect scorer would predict it. The oracle ranking replaces s_iou by it and nothing else, so its
AP is the most that mask scoring can reach on given masks.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pycocotools.coco import COCO

from msrcnn_mm.coco.detections import Column, Detections, Rle

from .overlaps import overlaps_of

GroundTruth = Mapping[tuple[Any, Any], Sequence[Rle]]
"""RLEs of the instances of each (image id, category id)."""


def true_ious(coco: COCO, detections: Detections) -> Column:
    """Computes the true IoU of each mask.

    Several masks may be of the same instance: the matching decides which are duplicates.

    Args:
        coco: The annotations; only those of the detections' images are decoded.
        detections: D detections with masks.

    Returns:
        (D,), in [0, 1]; 0 where the image has no instance of the class. A crowd region is a set of
        unseparated instances, so a mask has no true IoU with it.
    """
    overlaps = overlaps_of(coco, detections, detections.category_ids, detections.image_ids)
    return np.nan_to_num(overlaps.spread(overlaps.best_ious(), len(detections)))


def ground_truth_masks(coco: COCO) -> dict[tuple[Any, Any], list[Rle]]:
    """Returns the RLEs of every annotated instance, crowd regions left out.

    Args:
        coco: The annotations; polygons and uncompressed RLEs are converted.

    Returns:
        (image id, category id) -> its instances; pairs without an instance are absent.
    """
    masks = defaultdict(list)
    for annotation in coco.dataset.get("annotations", []):
        if not annotation.get("iscrowd", 0):
            key = annotation["image_id"], annotation["category_id"]
            masks[key].append(coco.annToRLE(annotation))
    return dict(masks)
