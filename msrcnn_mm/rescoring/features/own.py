"""Computes features of a detection by itself: its scores, and the shape of its mask and box.

Shape shorthand: D detections, S segments of columns of all masks.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from msrcnn_mm.coco.detections import Column, Detections
from msrcnn_mm.coco.json_values import is_number
from msrcnn_mm.coco.runs import AT_ONCE, Segments, segments
from msrcnn_mm.errors import UserError
from msrcnn_mm.evaluation.overlaps import Floats
from msrcnn_mm.processes import in_processes

MASK_STATISTICS = (
    "background_mean",
    "uncertain_share",
    "stability",
    "wide_stability",
    "maximum",
    "entropy",
    "foreground_entropy",
    "soft_iou",
    "rim_mean",
)
"""Entries of ``mask_statistics`` of a row of a results file, of the mask's probabilities."""

OF_BOXES = ("box_fill", "box_iou")
"""Features that need the detector's boxes."""


def own_features(detections: Detections) -> dict[str, Column]:
    """Computes the features of each detection by itself.

    Args:
        detections: D detections with masks.

    Returns:
        Name -> (D,), NaN for a detection that lacks what it is computed from; absent are features
        of a box, score or statistic that no detection has. So the results of one image have the
        features of the whole.

    Raises:
        UserError: A mask statistic is no number.
    """
    assert detections.masks is not None
    shapes = _shapes(detections)
    if detections.boxes is None:
        shapes = {name: column for name, column in shapes.items() if name not in OF_BOXES}
    columns: dict[str, Column | None] = {
        "class_score": detections.class_scores,
        **shapes,
        "mask_iou": detections.implied_mask_ious,
        "foreground_prob": detections.foreground_probs,
        "maskness": _or_class_score(detections.maskness, detections),
        **{name: _statistic(detections.extras or [], name) for name in MASK_STATISTICS},
    }
    return {name: column for name, column in columns.items() if column is not None}


def _shapes(detections: Detections) -> dict[str, Column]:
    """Computes sizes and forms of D masks and boxes."""
    masks = detections.masks or []
    boxes = np.full((len(masks), 4), np.nan) if detections.boxes is None else detections.boxes

    def of_some(start: int) -> dict[str, Column]:
        some = slice(start, start + AT_ONCE)
        return _shapes_of(segments(masks[some]), boxes[some])

    parts = list(in_processes(of_some, range(0, len(masks), AT_ONCE), "shapes"))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _shapes_of(found: Segments, boxes: Floats) -> dict[str, Column]:
    height, width = found.sizes.T.astype(float)
    many = len(found.sizes)
    area = np.bincount(found.mask, found.bottom - found.top, many)
    with np.errstate(divide="ignore", invalid="ignore"):
        root = np.sqrt(area)
        own = _tight_boxes(found)
        x1, y1, x2, y2 = own.T
        box = np.column_stack((boxes[:, :2], boxes[:, :2] + boxes[:, 2:])).T
        box_area = (box[2] - box[0]) * (box[3] - box[1])
        own_area = (x2 - x1) * (y2 - y1)
        inside = np.maximum(np.minimum(x2, box[2]) - np.maximum(x1, box[0]), 0)
        inside = inside * np.maximum(np.minimum(y2, box[3]) - np.maximum(y1, box[1]), 0)
        edge = np.min((x1, y1, width - x2, height - y2), axis=0)
        columns = {
            "log_area": np.log(area),
            "log_image_share": np.log(area / (height * width)),
            "log_aspect": np.log((x2 - x1) / (y2 - y1)),
            "mask_fill": area / own_area,
            "box_fill": area / box_area,
            "box_iou": inside / (own_area + box_area - inside),
            "edge_distance": edge / np.sqrt(own_area),
            "perimeter": _perimeters(found) / root,
            "segments_per_column": np.bincount(found.mask, minlength=many) / (x2 - x1),
        }
    return {name: np.where(np.isfinite(c), c, np.nan) for name, c in columns.items()}


def _tight_boxes(found: Segments) -> Floats:
    """Returns (D, 4) x1, y1, x2, y2 around masks, the last two exclusive; NaN for empty ones."""
    boxes = np.full((len(found.sizes), 4), np.nan)
    mask, first = np.unique(found.mask, return_index=True)
    if len(mask):
        last = np.append(first[1:], len(found.mask)) - 1
        boxes[mask, 0] = found.column[first]
        boxes[mask, 1] = np.minimum.reduceat(found.top, first)
        boxes[mask, 2] = found.column[last] + 1
        boxes[mask, 3] = np.maximum.reduceat(found.bottom, first)
    return boxes


def _perimeters(found: Segments) -> Floats:
    """Returns (D,) numbers of edges between a pixel of the mask and one outside it."""
    many = len(found.sizes)
    ends = 2 * np.bincount(found.mask, minlength=many)  # of segments: above and below
    # a pixel's left or right edge is one where the mask and the mask moved by a column differ
    space = (found.sizes[:, 1] + 1) * found.sizes[:, 0]
    height = found.sizes[found.mask, 0]
    start = (space.cumsum() - space)[found.mask] + found.column * height
    here = np.concatenate((start + found.top, start + found.bottom))
    changes = np.sort(np.concatenate((here, here + np.tile(height, 2))))
    lengths = changes[1::2] - changes[::2]
    mask = np.repeat(np.arange(many), ends)
    sides = np.bincount(mask, lengths, many)
    return np.asarray(sides + ends, float)


def _or_class_score(scores: Column | None, detections: Detections) -> Column | None:
    if scores is None:
        return None
    return np.where(np.isnan(scores), detections.class_scores, scores)


def _statistic(extras: Sequence[dict[str, Any]], name: str) -> Column | None:
    """Returns (D,) values of a mask statistic; None if no row has it."""
    values = []
    for index, extra in enumerate(extras):
        statistics = extra.get("mask_statistics") or {}
        value = statistics.get(name) if isinstance(statistics, dict) else "no number"
        if value is not None and not is_number(value):
            raise UserError(
                f"detection {index} has 'mask_statistics' whose {name} is no number: write numbers"
                " by name, or leave them out"
            )
        values.append(value)
    return np.array(values, float) if any(v is not None for v in values) else None
