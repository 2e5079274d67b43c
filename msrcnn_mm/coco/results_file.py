"""Reads and writes results files in COCO's format, whatever framework made them."""

import math
from pathlib import Path
from typing import Any

import pycocotools.mask as mask_utils
from pycocotools.coco import COCO

from msrcnn_mm.errors import UserError, warn

from .detections import SCORE_ENTRIES, Detections
from .json_files import read_json, write_json
from .rle import are_complete
from .shapes import is_box, is_number, is_rle


def load_results(path: str | Path, coco: COCO | None = None) -> Detections:
    """Reads instance segmentation results in COCO's format and checks them.

    Warns of class scores outside [0, 1].

    Args:
        path: A JSON list of ``{image_id, category_id, segmentation, score, ...}``.
        coco: The annotations that the results should belong to; checked if given.

    Returns:
        The detections, with compressed RLEs.

    Raises:
        UserError: The file is missing or is not such a list; an entry lacks a field, has a score
            that is not a finite number, no RLE or a damaged one, or an image, category or size that
            ``coco`` does not know.
    """
    path = Path(path)
    results = read_json(path)
    if not isinstance(results, list):
        raise UserError(f"{path} is not a list of detections: give a COCO results file")
    for index, row in enumerate(results):
        problem = _problem(row, coco)
        if problem:
            raise UserError(f"{path}: detection {index} {problem}")
    masks = [row["segmentation"] for row in results]
    complete = are_complete([rle["counts"] for rle in masks], [math.prod(m["size"]) for m in masks])
    if not complete.all():
        index = int(complete.argmin())
        raise UserError(
            f"{path}: detection {index} has a damaged run-length encoding: its runs do not add up"
            f" to {masks[index]['size']} pixels"
        )
    for row, rle in zip(results, masks, strict=True):
        if isinstance(rle["counts"], list):
            compressed = mask_utils.frPyObjects(rle, *rle["size"])
            row["segmentation"] = {"size": rle["size"], "counts": compressed["counts"].decode()}
    detections = Detections.from_rows(results)
    scores = detections.class_scores
    if len(scores) and (scores.min() < 0 or scores.max() > 1):
        warn(
            f"{path}: scores go from {scores.min():g} to {scores.max():g}, and every figure but AP "
            "needs scores in [0, 1]: divide percentages by 100"
        )
    if coco is not None:
        try:
            detections.check_fit(coco)
        except UserError as error:
            raise UserError(f"{path}: {error}") from error
    return detections


def write_results(detections: Detections, path: str | Path) -> None:
    """Writes a results file in one step: a reader never sees half of it.

    Raises:
        UserError: The file cannot be written.
    """
    write_json(detections.to_rows(), Path(path))


def _problem(row: Any, coco: COCO | None) -> str | None:
    """Returns the first problem of a row, to follow "detection N"; None if it has none."""
    if not isinstance(row, dict):
        return "is not an object"
    for field in ("image_id", "category_id", "segmentation", "score"):
        if field not in row:
            return f"has no '{field}'"
    for field in ("score", *SCORE_ENTRIES.values()):
        if not is_number(row.get(field, 0.0)):
            return f"has a {field} that is not a finite number: {row[field]!s:.30}"
    if "bbox" in row and not is_box(row["bbox"]):
        return f"has a bbox that is not four finite numbers: {row['bbox']}"
    for field in ("image_id", "category_id"):
        if not isinstance(row[field], int | str):
            return f"has no valid {field}: {row[field]}"
    if not is_rle(row["segmentation"]):
        return "has a segmentation that is not a run-length encoding {size, counts}"
    if coco is not None and row["category_id"] not in coco.cats:
        return f"is of category {row['category_id']!r}, which the annotations do not have"
    return None
