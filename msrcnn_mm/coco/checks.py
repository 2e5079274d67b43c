"""What pycocotools would take without a word and make a wrong AP of, said in one line."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from pycocotools.coco import COCO

from msrcnn_mm.errors import UserError

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
        return f"is of image {image_id!r}, which the annotations do not have"
    size = list(detection[shape]["size"]) if shape == "segmentation" else sizes[image_id]
    if size != sizes[image_id]:
        return f"has a mask of height, width {size}, but its image {image_id} is {sizes[image_id]}"
    return None


def rle_problem(rle: Any) -> str | None:
    """What is wrong with a segmentation, its runs not looked at."""
    no_rle = "has a segmentation that is not a run-length encoding {size, counts}"
    if not isinstance(rle, dict) or not {"size", "counts"} <= rle.keys():
        return no_rle
    size, counts = rle["size"], rle["counts"]
    if not _is_whole_numbers(size) or len(size) != 2 or not isinstance(counts, list | str):
        return no_rle
    return None


def damaged(rle: Mapping[str, Any]) -> str:
    """What is wrong with an RLE whose runs are not sound, to follow "detection N"."""
    return f"has a damaged run-length encoding: its runs do not add up to {rle['size']} pixels"


def _is_whole_numbers(values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(v, int) and v >= 0 for v in values)


def mismatch(entry: Mapping[str, Any], coco: COCO) -> str | None:
    """What of a detection or an annotation does not fit the annotations' images and categories."""
    image = coco.imgs.get(entry["image_id"])
    if image is None:
        return f"is of image {entry['image_id']!r}, which the annotations do not have"
    if entry["category_id"] not in coco.cats:
        return f"is of category {entry['category_id']!r}, which the annotations do not have"
    size = [image["height"], image["width"]]
    if entry["segmentation"]["size"] != size:
        return (
            f"has a mask of height, width {entry['segmentation']['size']}, but its image"
            f" {entry['image_id']} is {size}"
        )
    return None


def is_box(value: Any) -> bool:
    """Whether it is four finite numbers."""
    return (
        isinstance(value, list)
        and len(value) == 4
        and all(isinstance(v, int | float) and math.isfinite(v) for v in value)
    )
