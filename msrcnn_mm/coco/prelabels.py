"""Writes masks as annotations of instances that annotation tools import.

CVAT ("COCO 1.0", by Datumaro), Label Studio (``label-studio-converter import coco``) and FiftyOne
(``COCODetectionDataset``) read the same file:

- Label Studio reads polygons alone, of an annotation the first one; CVAT and FiftyOne read all.
- FiftyOne cuts masks at ``bbox``, so it is the box of the mask, not the detector's.
- CVAT takes the category id 0 for none, and Label Studio needs integers; other ids are numbered
  anew from 1.
- ``iscrowd`` is 0: 1 stands for an RLE in Label Studio, and for a crowd everywhere.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pycocotools.mask as mask_utils
from pycocotools.coco import COCO

from .detections import Column, Detections
from .polygons import outlines


def instances(
    coco: COCO,
    detections: Detections,
    chosen: Sequence[int],
    image_ids: Sequence[Any],
    entries: Mapping[str, Column],
    first_id: int = 1,
) -> dict[str, Any]:
    """Returns the content of an annotation file of masks.

    Masks of no pixel are left out, with their ids.

    Args:
        coco: Images and categories.
        detections: D masks.
        chosen: Positions of the masks to write, in the order of their annotations.
        image_ids: The images to list, in this order.
        entries: Name -> (D,) values of further entries of an annotation.
        first_id: Annotation id of the first.
    """
    assert detections.masks is not None or not chosen
    numbers = category_numbers(coco)
    annotations = []
    for number, place in enumerate(chosen, first_id):
        assert detections.masks is not None
        rle = detections.masks[place]
        polygons = outlines(rle)
        if polygons:
            annotations.append(
                {
                    "id": number,
                    "image_id": detections.image_ids[place],
                    "category_id": numbers[detections.category_ids[place]],
                    "segmentation": polygons,
                    "area": float(mask_utils.area(rle)),
                    "bbox": np.asarray(mask_utils.toBbox(rle)).tolist(),
                    "iscrowd": 0,
                    **{name: round(float(values[place]), 6) for name, values in entries.items()},
                }
            )
    return {
        "images": [coco.imgs[image_id] for image_id in image_ids],
        "categories": [
            {"supercategory": "", **coco.cats[i], "id": number} for i, number in numbers.items()
        ],
        "annotations": annotations,
    }


def category_numbers(coco: COCO) -> dict[Any, int]:
    """Returns category id -> the id that is written: the same if all are integers >= 1."""
    ids = coco.getCatIds()
    if all(isinstance(one, int) and one >= 1 for one in ids):
        return {one: one for one in ids}
    return {one: number for number, one in enumerate(ids, 1)}
