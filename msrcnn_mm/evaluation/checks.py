"""What pycocotools would take without a word and make a wrong AP of, said in one line."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from pycocotools.coco import COCO

from ..errors import UserError
from .detections import SCORE_ENTRIES, Detection


def check_instances(coco: COCO) -> None:
    """Checks the annotations.

    Raises:
        UserError: Two annotations have the same id, of which pycocotools would take one twice, or
            one has no area.
    """
    annotations = coco.dataset.get("annotations", [])
    if len(coco.anns) != len(annotations):
        ids = Counter(a["id"] for a in annotations)
        raise UserError(f"two annotations have the id {ids.most_common(1)[0][0]}: number them anew")
    for annotation in annotations:
        if "area" not in annotation:
            raise UserError(f"annotation {annotation['id']} has no 'area'")


def check_detections(coco: COCO, detections: Sequence[Detection], shape: str) -> None:
    """Checks that detections can be evaluated.

    Args:
        coco: The annotations they should belong to.
        detections: D detections.
        shape: The field to be evaluated, ``segmentation`` or ``bbox``.

    Raises:
        UserError: A detection lacks a field, has a score that is no finite number, is of an image
            that ``coco`` does not have, or has a mask of another size than its image.
    """
    sizes = {i: [image.get("height"), image.get("width")] for i, image in coco.imgs.items()}
    for index, detection in enumerate(detections):
        problem = _problem(detection, sizes, shape)
        if problem:
            raise UserError(f"detection {index} {problem}")


def _problem(detection: Detection, sizes: dict[Any, list[int]], shape: str) -> str | None:
    """What is wrong with a detection, to follow "detection N"."""
    for field in ("image_id", "category_id", "score", shape):
        if field not in detection:
            return f"has no '{field}'"
    for field in ("score", *SCORE_ENTRIES):
        if not math.isfinite(detection.get(field, 0.0)):
            return f"has a {field} that is not a finite number: {detection[field]}"
    image_id = detection["image_id"]
    if image_id not in sizes:
        return f"is of image {image_id}, which the annotations do not have"
    size = list(detection[shape]["size"]) if shape == "segmentation" else sizes[image_id]
    if size != sizes[image_id]:
        return f"has a mask of height, width {size}, but its image {image_id} is {sizes[image_id]}"
    return None
