"""What pycocotools would take without a word and make a wrong AP of, said in one line."""

import math
from collections.abc import Mapping
from typing import Any

from pycocotools.coco import COCO


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
