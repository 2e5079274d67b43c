"""Reads the masks of annotations, and fills in the boxes and areas that follow from them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pycocotools.mask as mask_utils

from msrcnn_mm.errors import UserError, first_names

from .json_values import is_box, is_number
from .rle import damage, measure
from .runs import without_empty_runs
from .segmentations import SegmentationError, as_rle, read_segmentation

Entry = dict[str, Any]

_FEW = 12  # numbers of a polygon

_MISFIT = 0.5
"""IoU of an annotated box with the box around its mask below which the two contradict each other.
"""


def complete_masks(
    path: str,
    annotations: Sequence[Entry],
    images: Mapping[Any, Entry],
    masks: bool,
    names: Mapping[int, str],
    completed: Counter[str],
) -> list[str]:
    """Reads masks, boxes and areas of annotations, and fills in what is absent; in place.

    Args:
        path: The file, for messages.
        annotations: Of listed images.
        images: Image id -> its entry.
        masks: Whether every annotation must have a mask that can be read. Otherwise a mask that
            cannot be read stays as it is, unless a box is to follow from it.
        names: Id -> the file's name for an annotation, where that is another.
        completed: Counts the annotations in which a field is completed, by field.

    Returns:
        Notes on polygons that are left out, and on masks that are probably not meant so.

    Raises:
        UserError: A mask, box or area cannot be read; the message names the first annotation.
    """
    unread, short, of_annotations = _read_masks(annotations, images, completed)
    refused = [number for number in unread if masks or _lacks_box(annotations[number])]
    if refused:
        first = annotations[refused[0]]
        more = f" ({len(refused)} annotations cannot be read)" if len(refused) > 1 else ""
        raise UserError(f"{_where(path, first, images, names)}: {unread[refused[0]]}{more}")
    for number, annotation in enumerate(annotations):
        if _lacks_area(annotation) or _lacks_box(annotation):
            mask = None if number in unread else annotation["segmentation"]
            _fill_box_and_area(annotation, mask, images[annotation["image_id"]], completed)
        problem = _problem(annotation)
        if problem:
            raise UserError(f"{_where(path, annotation, images, names)}: {problem}")
    notes = []
    if short:
        notes.append(
            f"{short} polygons of fewer than three points are left out, in {of_annotations} "
            "annotations"
        )
        completed["segmentation (without short polygons)"] += of_annotations
    readable = [a for number, a in enumerate(annotations) if number not in unread]
    return notes + _notes_on_shapes(readable, images, names)


def _read_masks(
    annotations: Sequence[Entry], images: Mapping[Any, Entry], completed: Counter[str]
) -> tuple[dict[int, str], int, int]:
    """Reads all masks that can be read.

    Returns:
        Position -> the problem of an annotation whose mask cannot be read; how many polygons are
        left out, and in how many annotations.
    """
    unread: dict[int, str] = {}
    encoded: list[int] = []
    short = of_annotations = 0
    for number, annotation in enumerate(annotations):
        given: Any = annotation.get("segmentation")
        image = images[annotation["image_id"]]
        try:
            mask, dropped = read_segmentation(given, image["height"], image["width"])
        except SegmentationError as error:
            unread[number] = f"segmentation {error}"
            continue
        annotation["segmentation"] = mask
        if isinstance(mask, dict):
            encoded.append(number)
            if any(isinstance(side, float) for side in given["size"]):
                completed["size of an RLE (as integers)"] += 1
            continue
        if not isinstance(given[0], list):
            completed["segmentation (from a flat list)"] += 1
        short, of_annotations = short + dropped, of_annotations + (dropped > 0)
    rles = [annotations[number]["segmentation"] for number in encoded]
    pixels = [rle["size"][0] * rle["size"][1] for rle in rles]
    areas, has_empty_run = measure([rle["counts"] for rle in rles], pixels)
    for number, area, with_empty_run in zip(encoded, areas, has_empty_run, strict=True):
        if area < 0:
            size = annotations[number]["segmentation"]["size"]
            unread[number] = f"segmentation is a damaged RLE: {damage(*size)}: export it anew"
        elif with_empty_run:
            rle = annotations[number]["segmentation"]
            annotations[number]["segmentation"] = {
                "size": rle["size"],
                "counts": without_empty_runs(rle["counts"]),
            }
            completed["segmentation (empty runs of an RLE joined)"] += 1
    return dict(sorted(unread.items())), short, of_annotations


def _notes_on_shapes(
    annotations: Sequence[Entry], images: Mapping[Any, Entry], names: Mapping[int, str]
) -> list[str]:
    """Returns notes on masks that cover no pixel, and on polygons in shares of the image."""
    empty: list[Entry] = []
    largest = 0.0
    for annotation in annotations:
        mask, image = annotation["segmentation"], images[annotation["image_id"]]
        if isinstance(mask, list):
            if largest <= 1:
                largest = max(largest, *map(max, mask))
            if not any(_covers_pixels(p, image["height"], image["width"]) for p in mask):
                empty.append(annotation)
        elif not mask_utils.area(as_rle(mask, *mask["size"])):
            empty.append(annotation)
    notes = []
    if empty:
        ids = [names.get(annotation["id"], str(annotation["id"])) for annotation in empty]
        notes.append(
            f"the masks of {len(empty)} annotations cover no pixel, so that no detection can find "
            f"them: {first_names(ids)}; correct or remove them"
        )
    if 0 < largest <= 1:
        notes.append(
            f"no polygon reaches beyond {largest:g}: coordinates are probably shares of the image; "
            "multiply them by its width and height"
        )
    return notes


def _covers_pixels(polygon: Sequence[float], height: int, width: int) -> bool:
    """Returns whether a polygon has an extent inside the image, as far as its points say."""
    if len(polygon) > _FEW and max(polygon) > 0 and min(polygon) < min(height, width):
        return True  # not examined: with so many points it is no slip of the mouse
    xs, ys = polygon[::2], polygon[1::2]
    if max(min(xs), 0) >= min(max(xs), width) or max(min(ys), 0) >= min(max(ys), height):
        return False
    return len(set(zip(xs, ys, strict=True))) > 2


def box_fits(annotation: Mapping[str, Any]) -> bool:
    """Returns whether the annotated box is roughly the box around the mask."""
    mask = annotation["segmentation"]
    if isinstance(mask, list):
        xs = [value for polygon in mask for value in polygon[::2]]
        ys = [value for polygon in mask for value in polygon[1::2]]
        around = (min(xs), min(ys), max(xs), max(ys))
    else:
        left, top, across, down = mask_utils.toBbox(as_rle(mask, *mask["size"])).tolist()
        around = (left, top, left + across, top + down)
    x, y, width, height = annotation["bbox"]
    wide = min(x + width, around[2]) - max(x, around[0])
    high = min(y + height, around[3]) - max(y, around[1])
    overlap = max(wide, 0) * max(high, 0)
    sides = (around[2] - around[0]) * (around[3] - around[1])
    if sides == 0:
        return True  # a mask that covers no pixel, which the reader notes
    # small ones are rounded to another size, and some tools box crowds in another way
    return bool(overlap >= _MISFIT * (width * height + sides - overlap) or min(width, height) < 4)


def _lacks_area(annotation: Entry) -> bool:
    """Returns whether an annotation has no area, or a negative one, as of a turned outline."""
    area = annotation.get("area")
    return area in (None, []) or (isinstance(area, int | float) and area < 0)


def _lacks_box(annotation: Entry) -> bool:
    """Returns whether an annotation has no box, or one of zeros."""
    return annotation.get("bbox") in (None, [], [0, 0, 0, 0])


def _fill_box_and_area(annotation: Entry, mask: Any, image: Entry, completed: Counter[str]) -> None:
    """Fills in the box and the area of an annotation from its mask; the area from its box without.

    Args:
        annotation: Changed in place.
        mask: Its ``segmentation``; None if it cannot be read.
        image: Its image's entry.
        completed: Counts the fields.
    """
    rle = None if mask is None else as_rle(mask, image["height"], image["width"])
    if _lacks_box(annotation) and rle is not None:
        annotation["bbox"] = mask_utils.toBbox(rle).tolist()
        completed["bbox"] += 1
    if _lacks_area(annotation) and is_box(annotation.get("bbox")):
        width, height = annotation["bbox"][2:]
        annotation["area"] = width * height if rle is None else float(mask_utils.area(rle))
        completed["area"] += 1


def _problem(annotation: Entry) -> str | None:
    """Returns the problem of an annotation's box or area; None without."""
    box, area = annotation.get("bbox"), annotation.get("area")
    if not is_box(box):
        return f"bbox is {box!r:.60}: give x, y, width and height in pixels"
    if not is_number(area):
        return f"area is {area!r:.40}: give the number of pixels"
    return None


def _where(
    path: str, annotation: Entry, images: Mapping[Any, Entry], names: Mapping[int, str]
) -> str:
    """Returns the place of an annotation for messages."""
    image = images[annotation["image_id"]].get("file_name", f"image {annotation['image_id']}")
    return f"{path}: annotation {names.get(annotation['id'], annotation['id'])} (in {image})"
