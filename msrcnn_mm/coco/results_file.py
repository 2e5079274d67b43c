"""Results files in COCO's format.

Results are written from a test run and read from any framework.
"""

import math
from pathlib import Path
from typing import Any

import pycocotools.mask as mask_utils
from pycocotools.coco import COCO

from msrcnn_mm.errors import UserError

from .checks import damaged, is_box, mismatch, rle_problem
from .detections import SCORE_ENTRIES, Detection
from .json_files import read_json
from .rle import fill


def load_results(path: str | Path, coco: COCO | None = None) -> list[Detection]:
    """Reads instance segmentation results in COCO's format, whatever framework wrote them.

    Args:
        path: A JSON list of ``{image_id, category_id, segmentation, score, ...}``.
        coco: The annotations the results should belong to; checked if given.

    Returns:
        The detections, uncompressed RLEs compressed.

    Raises:
        UserError: The file is missing or no such list; an entry lacks a field, has a score that is
            not a finite number, no RLE or a damaged one, or an image, category or size that
            ``coco`` does not know.
    """
    path = Path(path)
    results = read_json(path)
    if not isinstance(results, list):
        raise UserError(f"{path} is no list of detections: it is not a COCO results file")
    for index, detection in enumerate(results):
        problem = _problem(detection, coco)
        if problem:
            raise UserError(f"{path}: detection {index} {problem}")
    masks = [detection["segmentation"] for detection in results]
    sound = fill([rle["counts"] for rle in masks], [math.prod(rle["size"]) for rle in masks])
    if not sound.all():
        index = int(sound.argmin())
        raise UserError(f"{path}: detection {index} {damaged(masks[index])}")
    for detection, rle in zip(results, masks, strict=True):
        if isinstance(rle["counts"], list):
            compressed = mask_utils.frPyObjects(rle, *rle["size"])
            detection["segmentation"] = {
                "size": rle["size"],
                "counts": compressed["counts"].decode(),
            }
    return results


def _problem(detection: Any, coco: COCO | None) -> str | None:
    """What is wrong with one entry of a results file, to follow "detection N"."""
    if not isinstance(detection, dict):
        return "is no object"
    for field in ("image_id", "category_id", "segmentation", "score"):
        if field not in detection:
            return f"has no '{field}'"
    for field in ("score", *SCORE_ENTRIES):
        value = detection.get(field, 0.0)
        if not isinstance(value, int | float) or not math.isfinite(value):
            return f"has a {field} that is not a finite number: {value}"
    if "bbox" in detection and not is_box(detection["bbox"]):
        return f"has a bbox that is not four finite numbers: {detection['bbox']}"
    for field in ("image_id", "category_id"):
        if not isinstance(detection[field], int | str):
            return f"has no valid {field}: {detection[field]}"
    problem = rle_problem(detection["segmentation"])
    if problem or coco is None:
        return problem
    return mismatch(detection, coco)
