"""Checks the annotations of a COCO file for training and testing with MMDetection."""

from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from msrcnn_mm.errors import UserError, warn

from .shapes import box_fits, is_box, is_number, is_usable


@dataclass(frozen=True)
class Needs:
    """The use of an annotation file in a run.

    Attributes:
        masks: Whether masks are read.
        trained: Whether the annotations are trained on.
        evaluated: Whether detections are evaluated by them.
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
        annotations: All annotations.
        needs: The use of the file.

    Raises:
        UserError: An annotation is wrong, or none is left to train on.
    """
    seen: set[Any] = set()
    counts: Counter[str] = Counter()
    misfit = ""
    for number, annotation in enumerate(annotations):
        named = f"annotation {annotation.get('id', f'number {number}')}"
        problem = _problem(annotation, images, categories, seen, needs)
        if problem:
            raise UserError(f"{path}: {named} {problem}")
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
    images: Mapping[Any, Any],
    categories: AbstractSet[Any],
    seen: AbstractSet[Any],
    needs: Needs,
) -> str | None:
    """Returns the first problem of an annotation's fields, its mask aside; None without one."""
    for field in ("image_id", "bbox", "area", "category_id", "id", "iscrowd"):
        if field not in annotation and (field != "iscrowd" or needs.evaluated):
            return f"has no {field}"
    for field in ("image_id", "category_id", "id"):
        if not isinstance(annotation[field], int | float | str):
            return f"has no valid {field}"
    if annotation["image_id"] not in images:
        return f"is of the image {annotation['image_id']!r}, which is not in the file"
    if annotation["category_id"] not in categories:
        return f"has the unknown category {annotation['category_id']!r}"
    if annotation["id"] in seen:
        return "has an id that occurs more than once: number them anew"
    if not is_box(annotation["bbox"]) or not is_number(annotation["area"]):
        return "has no valid bbox (x, y, width, height) and area"
    return None


def _kind(annotation: Mapping[str, Any], image: Mapping[str, Any], where: str, needs: Needs) -> str:
    """Returns how MMDetection uses an annotation, as a key of the counts."""
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
    """Refuses a file with nothing to train on; warns of unused or contradictory annotations."""
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
