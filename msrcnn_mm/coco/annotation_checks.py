"""Checks the annotations of a COCO file for what training or testing with MMDetection needs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from math import isfinite
from typing import Any

from msrcnn_mm.errors import UserError, warn

from .shapes import box_fits, is_usable


@dataclass(frozen=True)
class Needs:
    """What a run uses of an annotation file.

    Attributes:
        masks: Whether it reads masks.
        trained: Whether it trains on the annotations.
        evaluated: Whether it evaluates by them.
    """

    masks: bool
    trained: bool
    evaluated: bool


def check_annotations(
    path: str,
    images: Mapping[Any, Mapping[str, Any]],
    categories: AbstractSet[Any],
    annotations: Sequence[Mapping[str, Any]],
    needs: Needs,
) -> None:
    """Refuses annotations that would end a run or give it wrong masks, and warns of unused ones.

    Args:
        path: The file, for messages.
        images: Image id -> its entry.
        categories: The known category ids.
        annotations: All of them.
        needs: What the run uses.

    Raises:
        UserError: An annotation is wrong, or none is left to train on.
    """
    seen: set[Any] = set()
    counts: Counter[str] = Counter()
    misfit = ""
    for number, annotation in enumerate(annotations):
        try:
            x, y, width, height = annotation["bbox"]
            valid = (
                isfinite(x + y + width + height + annotation["area"])
                and annotation["id"] not in seen
                and annotation["image_id"] in images
                and annotation["category_id"] in categories
                and ("iscrowd" in annotation or not needs.evaluated)
            )
        except (KeyError, TypeError, ValueError, OverflowError):
            valid = False
        named = f"annotation {annotation.get('id', f'number {number}')}"
        if not valid:
            raise UserError(f"{path}: {_problem(annotation, named, images, categories, needs)}")
        seen.add(annotation["id"])
        if not annotation.get("ignore"):
            image = images[annotation["image_id"]]
            kind = _kind(annotation, image, f"{path}: {named}", needs)
            counts[kind] += 1
            if kind == "contradictory":
                misfit = misfit or named
    _conclude(path, needs, counts, len(annotations), misfit)
    if 0 in seen and needs.evaluated:
        warn(
            f"{path}: an annotation has the id 0, which pycocotools takes for 'no match': number "
            "them from 1 for an exact AP"
        )


def _problem(
    annotation: Mapping[str, Any],
    named: str,
    images: Mapping[Any, Any],
    categories: AbstractSet[Any],
    needs: Needs,
) -> str:
    """Returns what is wrong with the fields of an annotation, its mask aside."""
    for field in ("image_id", "bbox", "area", "category_id", "id"):
        if field not in annotation:
            return f"{named} has no {field}"
    if needs.evaluated and "iscrowd" not in annotation:
        return f"{named} has no iscrowd"
    for field in ("image_id", "category_id", "id"):
        if not isinstance(annotation[field], int | float | str):
            return f"{named} has no valid {field}"
    if annotation["image_id"] not in images:
        return f"{named} is of the image {annotation['image_id']!r}, which is not in the file"
    if annotation["category_id"] not in categories:
        return f"{named} has the unknown category {annotation['category_id']!r}"
    try:
        x, y, width, height = annotation["bbox"]
        if isfinite(x + y + width + height + annotation["area"]):
            return f"the annotation id {annotation['id']!r} occurs more than once"
    except (TypeError, ValueError, OverflowError):
        pass
    return f"{named} has no valid bbox (x, y, width, height) and area"


def _kind(annotation: Mapping[str, Any], image: Mapping[str, Any], where: str, needs: Needs) -> str:
    """Returns what MMDetection makes of an annotation, as a key of the counts."""
    x, y, width, height = annotation["bbox"]
    inside = min(x + width, image["width"]) > max(x, 0) and (
        min(y + height, image["height"]) > max(y, 0)
    )
    if not inside or annotation["area"] <= 0 or width < 1 or height < 1:
        return "empty"
    if needs.masks and not is_usable(annotation, image, where, needs.evaluated):
        return "unusable"
    if annotation.get("iscrowd"):
        return "crowds"
    return "contradictory" if needs.masks and not box_fits(annotation) else "usable"


def _conclude(path: str, needs: Needs, counts: Counter[str], total: int, misfit: str) -> None:
    """Refuses a file with nothing to train on, and warns of what is left out or contradictory."""
    empty, unusable, contradictory = (counts[k] for k in ("empty", "unusable", "contradictory"))
    if contradictory:
        warn(
            f"{path}: the bbox of {contradictory} of {total} annotations is not their mask's, the "
            f"first is {misfit}: a bbox is x, y, width, height of the box around the mask, in "
            "pixels"
        )
    if needs.trained and not counts["usable"] + contradictory:
        raise UserError(
            f"{path}: has no annotation to train on: of {total}, {counts['crowds']} are crowds "
            f"(iscrowd), {empty} lie outside their image or are less than a pixel, {unusable} have "
            "no polygon of three points"
            if total
            else f"{path}: has no annotation to train on"
        )
    if empty:
        warn(
            f"{path}: {empty} of {total} annotations are left out: less than a pixel wide or high, "
            "without area, or outside their image"
        )
    if unusable:
        warn(
            f"{path}: {unusable} of {total} annotations are not trained on: no polygon has three "
            "points"
        )
