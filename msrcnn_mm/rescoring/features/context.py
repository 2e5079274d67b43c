"""Computes features of a detection among the others of its image.

Shape shorthand: D detections, n of one image.
"""

import numpy as np

from msrcnn_mm.coco.detections import Column, Detections
from msrcnn_mm.coco.lazy_rles import rles_at
from msrcnn_mm.evaluation.overlaps import Floats, Ints, mask_areas
from msrcnn_mm.processes import in_processes

from .image_groups import by_image, mask_ious, mask_ious_within, numbered, row_blocks

NAMES = (
    "best_iou_above_same",
    "best_iou_above",
    "best_iou_any",
    "covered_above",
    "covered_any",
    "sum_iou_above_same",
    "rank",
    "rank_same",
    "count",
    "count_same",
    "neighbours",
    "neighbour_score",
)

NEAR = 0.1
"""IoU from which on another detection is a neighbour."""


def context_features(detections: Detections) -> dict[str, Column]:
    """Computes the features of each detection among those of its image.

    "Above" are the detections of a higher class score, of equal ones the first; "same" are those
    of the same class.

    Args:
        detections: D detections with masks.

    Returns:
        Name -> (D,).
    """
    assert detections.masks is not None
    columns = np.zeros((len(NAMES), len(detections)))
    classes = numbered(detections.category_ids)
    areas = mask_areas(detections.masks)
    masks, scores = detections.masks, detections.class_scores
    images = [
        where[np.argsort(-scores[where], kind="stable")]
        for where in by_image(detections.image_ids).values()
    ]
    blocks = [(where, rows) for where in images for rows in row_blocks(len(where), len(where))]

    def of_block(block: tuple[Ints, slice]) -> Floats:
        where, rows = block
        own = rles_at(masks, where)
        alone = rows == slice(0, len(where))
        ious = mask_ious_within(own) if alone else mask_ious(own[rows], own)
        return _of_rows(ious, rows.start, areas[where], classes[where], scores[where])

    for (where, rows), found in zip(blocks, in_processes(of_block, blocks, "context"), strict=True):
        columns[:, where[rows]] = found
    return dict(zip(NAMES, columns, strict=True))


def _of_rows(ious: Floats, start: int, areas: Floats, classes: Ints, scores: Floats) -> Floats:
    """Returns the (F, m) features of m of n detections in the order of their scores.

    Args:
        ious: (m, n), of the detections from number ``start`` on with all.
        start: Number of the first.
        areas: (n,).
        classes: (n,).
        scores: (n,).
    """
    rank = np.arange(start, start + len(ious))
    ious[np.arange(len(ious)), rank] = 0
    same = classes[rank][:, None] == classes
    above = np.arange(len(areas)) < rank[:, None]
    intersections = ious / (1 + ious) * (areas[rank][:, None] + areas)
    covered = intersections / np.maximum(areas[rank], 1)[:, None]
    closest = ious.argmax(axis=1)
    return np.stack(
        [
            (ious * (above & same)).max(axis=1),
            (ious * above).max(axis=1),
            ious.max(axis=1),
            (covered * above).max(axis=1),
            covered.max(axis=1),
            (ious * (above & same)).sum(axis=1),
            rank,
            (above & same).sum(axis=1),
            np.full(len(ious), len(areas)),
            same.sum(axis=1),
            (ious > NEAR).sum(axis=1),
            np.where(ious.max(axis=1) > 0, scores[closest], 0),
        ]
    )
