"""The true IoU of a mask: what a perfect scorer would say.

The oracle ranking replaces s_iou by it and leaves everything else alone, so the AP it reaches is
what mask scoring can gain on given masks.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pycocotools.mask as mask_utils
from numpy.typing import NDArray
from pycocotools.coco import COCO

from msrcnn_mm.coco.detections import Detection

GroundTruth = Mapping[tuple[Any, int], Sequence[dict[str, Any]]]
"""RLEs of the instances of each (image id, category id)."""


def ground_truth_masks(coco: COCO) -> dict[tuple[Any, int], list[dict[str, Any]]]:
    """RLEs of every annotated instance, crowd regions left out.

    A crowd region is a set of unseparated instances: a mask has no IoU with any one of them.

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


def true_mask_ious(
    detections: Sequence[Detection], ground_truth: GroundTruth
) -> NDArray[np.float64]:
    """The IoU of each mask with the instance it fits best, of its own class in its own image.

    Several masks may name the same instance: whether a mask is a duplicate is for the ranking and
    the matching to settle, not for its quality.

    Args:
        detections: D detections with ``segmentation``.
        ground_truth: As from :func:`ground_truth_masks`.

    Returns:
        (D,), in [0, 1]; 0 where the image has no instance of the class.
    """
    groups = defaultdict(list)
    for index, detection in enumerate(detections):
        groups[detection["image_id"], detection["category_id"]].append(index)
    ious = np.zeros(len(detections))
    for key, indices in groups.items():
        instances = ground_truth.get(key)
        if instances:
            masks = [detections[i]["segmentation"] for i in indices]
            pairwise = mask_utils.iou(masks, list(instances), [0] * len(instances))
            ious[indices] = pairwise.max(axis=1)
    return ious
