"""Inspects the masks and boxes of annotations."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pycocotools.mask as mask_utils

from msrcnn_mm.coco.annotation_masks import box_fits, complete_masks
from msrcnn_mm.coco.segmentations import as_rle
from msrcnn_mm.errors import UserError

from .crossings import crossing
from .finding import (
    EMPTY_MASK,
    INCOMPLETE,
    MALFORMED_MASK,
    OTHER_BOX,
    OUT_OF_IMAGE,
    SELF_CROSSING,
    UNREADABLE_ENTRY,
)

Entry = dict[str, Any]

_OUT = 1  # pixels beyond the image from which on a point is out of it


def inspect_annotation(
    annotation: Entry, image: Entry, path: str, find: Callable[[str, str], None]
) -> list[float] | None:
    """Inspects the mask and the box of an annotation.

    Args:
        annotation: Its fields completed; its mask and box are completed in place.
        image: The image's entry.
        path: The annotation file.
        find: Takes the kind and the text of a finding.

    Returns:
        The box around the mask, x, y, width and height, where the annotated one is another; None
        where it is not, or there is no mask.
    """
    done: Counter[str] = Counter()
    try:
        complete_masks(path, [annotation], {image["id"]: image}, True, {}, done)
    except UserError as error:
        where, _, reason = str(error).removeprefix(f"{path}: ").partition("): ")
        kind = MALFORMED_MASK if reason.startswith("segmentation") else UNREADABLE_ENTRY
        find(kind, f"{where}): {reason}")
        return None
    name = f"annotation {annotation['id']} (in {image.get('file_name')})"
    if done:
        find(INCOMPLETE, f"{name}: {', '.join(done)}")
    mask = annotation["segmentation"]
    rle = as_rle(mask, image["height"], image["width"])
    if not mask_utils.area(rle):
        find(EMPTY_MASK, name)
        return None
    for polygon in mask if isinstance(mask, list) else ():
        _inspect_polygon(polygon, image, name, find)
    if annotation["iscrowd"] or box_fits(annotation):
        return None
    box: list[float] = mask_utils.toBbox(rle).tolist()
    if box == annotation["bbox"]:  # of the part in the image
        return None
    find(OTHER_BOX, f"{name}: bbox is {annotation['bbox']}, the box around the mask {box}")
    return box


def _inspect_polygon(
    polygon: list[float], image: Entry, name: str, find: Callable[[str, str], None]
) -> None:
    xs, ys = polygon[::2], polygon[1::2]
    out = max(-min(xs), -min(ys), max(xs) - image["width"], max(ys) - image["height"])
    if out > _OUT:
        find(OUT_OF_IMAGE, f"{name}: a point is {out:.4g} pixels out")
    place = crossing(polygon)
    if place is not None:
        find(SELF_CROSSING, f"{name}: edges cross at x {place[0]:.1f}, y {place[1]:.1f}")
