"""Notices results that list a detection twice or hardly belong to their annotations.

Shape shorthand: D detections.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from pycocotools.coco import COCO

from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.errors import warn

from .matching import matched_ious
from .overlaps import Ints, overlaps_of
from .protocol import CORRECT_IOU, coco_protocol

FEW_FOUND = 0.05
"""Share of instances found below which results hardly belong to the annotations."""

_IMAGES = 500  # looked at; more would not change the share much


def repeated(detections: Detections) -> int:
    """Returns the number of D detections that equal one before: image, class, score and mask."""
    columns = [_numbers(detections.image_ids), _numbers(detections.category_ids)]
    columns.append(np.unique(detections.class_scores, return_inverse=True)[1])
    where = np.zeros(len(detections), np.int64)
    for column in columns:
        pairs = where * (column.max(initial=0) + 1) + column
        _, where, counts = np.unique(pairs, return_inverse=True, return_counts=True)
    same = np.flatnonzero(counts[where] > 1) if len(detections) else where
    masks = detections.take(same.tolist()).masks  # few, which are compared
    if masks is None:
        return len(same) - len(set(where[same].tolist()))
    # by hash, so that the masks of a file that has each of them twice are not all held
    own = zip(where[same].tolist(), masks, strict=True)
    return len(same) - len({(group, hash(mask["counts"])) for group, mask in own})


def _numbers(ids: Sequence[Any]) -> Ints:
    """Returns (D,) numbers of ids, equal for equal ones."""
    known: dict[Any, int] = {}
    return np.array([known.setdefault(one, len(known)) for one in ids], np.int64)


def found_instances(coco: COCO, detections: Detections) -> tuple[int, int, int]:
    """Counts the instances that are found at IoU 0.5 in images with detections.

    Args:
        coco: The annotations.
        detections: With masks. Those of 500 images, spread over all, are looked at.

    Returns:
        Number of instances found; of instances; of detections looked at.
    """
    images = list(dict.fromkeys(detections.image_ids))
    chosen = set(images[:: -(-len(images) // _IMAGES) or 1])
    own = detections.take([n for n, i in enumerate(detections.image_ids) if i in chosen])
    protocol = replace(coco_protocol(coco), image_ids=sorted(chosen, key=str))
    overlaps = overlaps_of(coco, own, protocol.category_ids, protocol.image_ids)
    scores = own.class_scores[overlaps.detections]
    (matched,) = matched_ious(overlaps, scores, protocol, (CORRECT_IOU,))
    return int((matched > 0).sum()), int((~overlaps.crowds).sum()), len(own)


def warn_of_odd_results(detections: Detections, name: str, coco: COCO | None = None) -> None:
    """Warns of detections given twice and, with annotations, of hardly any instance found.

    Args:
        detections: D detections.
        name: That of their file.
        coco: Their annotations, which they fit; None for none.
    """
    twice = repeated(detections)
    if twice:
        warn(
            f"{name}: {twice:,} of {len(detections):,} detections are the same as another one and"
            " count as duplicates: give each once"
        )
    if coco is None or detections.masks is None:
        return
    found, instances, looked_at = found_instances(coco, detections)
    if found < int(FEW_FOUND * min(instances, looked_at)):
        warn(
            f"{name}: only {found:,} of {instances:,} instances are found at IoU {CORRECT_IOU} by"
            f" {looked_at:,} detections: check that results and annotations belong together and"
            " that their category ids mean the same classes"
        )
