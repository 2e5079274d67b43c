"""Annotation files in COCO's format."""

import contextlib
import io
from collections import Counter
from pathlib import Path
from typing import Any

from pycocotools.coco import COCO

from msrcnn_mm.errors import UserError

from .checks import damaged, is_box, mismatch, rle_problem
from .json_files import read_json
from .rle import is_complete

_NEEDED = {
    "images": ("id", "height", "width"),
    "categories": ("id", "name"),
    "annotations": ("id", "image_id", "category_id", "segmentation"),
}
_SINGULAR = {"images": "image", "categories": "category", "annotations": "annotation"}


def load_annotations(path: str | Path) -> COCO:
    """Reads a COCO annotation file of instances with masks.

    Raises:
        UserError: The file is missing or is none; an image, category or annotation lacks a field or
            shares its id with another; a box is not four numbers; or an RLE is damaged or does not
            fit its image.
    """
    path = Path(path)
    coco = COCO()
    coco.dataset = read_annotations(path)
    for part, fields in _NEEDED.items():
        _check_part(path, coco.dataset[part], _SINGULAR[part], fields)
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools tells its progress by print
        coco.createIndex()
    for annotation in coco.dataset["annotations"]:
        problem = _problem(annotation, coco)
        if problem:
            raise UserError(f"{path}: annotation {annotation['id']} {problem}")
    return coco


def read_annotations(path: Path) -> dict[str, Any]:
    """Reads a COCO annotation file as it is.

    Raises:
        UserError: The file is missing or is none.
    """
    annotations = read_json(path)
    for part in _NEEDED:
        if not isinstance(annotations, dict) or not isinstance(annotations.get(part), list):
            raise UserError(f"{path} has no '{part}': it is not a COCO annotation file")
    return annotations


def _check_part(path: Path, entries: list[Any], name: str, fields: tuple[str, ...]) -> None:
    for index, entry in enumerate(entries):
        for field in fields:
            if not isinstance(entry, dict) or entry.get(field) is None:
                known = entry.get("id", index) if isinstance(entry, dict) else index
                raise UserError(f"{path}: {name} {known} has no '{field}'{_remedy(field)}")
    ids = Counter(entry["id"] for entry in entries)
    if len(ids) != len(entries):
        raise UserError(f"{path}: two of {name} {ids.most_common(1)[0][0]}: number them anew")


def _remedy(field: str) -> str:
    if field == "segmentation":
        return ": add its outline, or take it out"
    return ""


def _problem(annotation: dict[str, Any], coco: COCO) -> str | None:
    """What is wrong with an annotation, to follow "annotation N"."""
    if "bbox" in annotation and not is_box(annotation["bbox"]):
        return f"has a bbox that is not four finite numbers: {annotation['bbox']}"
    rle = annotation["segmentation"]
    if not isinstance(rle, dict):
        return None
    problem = rle_problem(rle) or mismatch(annotation, coco)
    if not problem and not is_complete(rle["counts"], *rle["size"]):
        problem = damaged(rle)
    return problem
