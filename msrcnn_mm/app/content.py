"""Turns what a model finds into what the page needs to show, hide and explain each mask."""

import base64
import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from msrcnn_mm.coco.detections import Column, Detections
from msrcnn_mm.coco.polygons import rings
from msrcnn_mm.evaluation.overlaps import mask_areas
from msrcnn_mm.evaluation.protocol import MASK_SCORE, SHOWN_BY_DEFAULT
from msrcnn_mm.evaluation.rankings import filled_scores, score_columns
from msrcnn_mm.report.score_styles import NAMES, STYLES

from .model import Found, Model
from .uploads import MAX_BYTES, TOO_LARGE


def about(model: Model) -> dict[str, Any]:
    """Returns what the page shows before the first image."""
    return {
        "model": model.name,
        "categories": [*model.categories],
        "maxBytes": MAX_BYTES,
        "tooLarge": TOO_LARGE,
    }


def content(found: Found, name: str, score: str | None = None) -> dict[str, Any]:
    """Returns the picture, the masks and all of their numbers, for D masks.

    Args:
        found: What the model finds.
        name: The image's name.
        score: The score to start with; None for the first of rescored, mask and class score that
            there is.

    Returns:
        ``name``, ``width``, ``height`` and ``notes``; ``picture``, a data URI; ``score``, the one
        to start with; ``scores``, the name, the meaning and the (D,) values of each score that can
        be chosen, for a detection without it its class score; ``numbers``, the name of each number
        and its (D,) values, null where a detection has none; ``outlines``, the rings of each
        mask, to be filled by the even-odd rule; ``rows``, those of a results file.
    """
    height, width = found.picture.shape[:2]
    detections = Detections.from_rows(found.rows)
    masks = detections.masks or []
    scores = filled_scores(detections)
    if score not in scores:  # without detections only the class score is there
        score = next(key for key in SHOWN_BY_DEFAULT if key in scores)
    numbers = [(label, _with_nulls(values)) for label, values in _numbers(detections).items()]
    return {
        "name": name,
        "width": width,
        "height": height,
        "notes": [*found.notes],
        "picture": _data_uri(found.picture),
        "score": score,
        "scores": {
            key: {
                "name": STYLES[key].name,
                "meaning": STYLES[key].meaning,
                "values": values.tolist(),
            }
            for key, values in scores.items()
        },
        "numbers": [*numbers, ("area in pixels", mask_areas(masks).astype(int).tolist())],
        "outlines": [rings(rle) for rle in masks],
        "rows": [*found.rows],
    }


def _numbers(detections: Detections) -> Mapping[str, Column]:
    """Returns every number of the detections by its name, in the order of the page."""
    numbers: dict[str, Column | None] = {}
    for key, values in score_columns(detections).items():
        if key == MASK_SCORE:
            numbers["mask IoU"] = detections.implied_mask_ious
        numbers[NAMES[key]] = values
    numbers["foreground probability"] = detections.foreground_probs
    numbers["expected IoU"] = detections.expected_ious
    numbers["expected precision"] = detections.expected_precisions
    return {label: values for label, values in numbers.items() if values is not None}


def _with_nulls(values: Column) -> list[float | None]:
    return [None if np.isnan(value) else value for value in values.tolist()]


def _data_uri(picture: NDArray[np.uint8]) -> str:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=92, subsampling=0)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
