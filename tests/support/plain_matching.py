"""Matches detections with instances by plain loops, without code of the package."""

from typing import Any

import numpy as np
import pycocotools.mask as mask_utils


def pixel_iou(a: dict[str, Any], b: dict[str, Any]) -> float:
    first, second = (mask_utils.decode(rle).astype(bool) for rle in (a, b))
    return float((first & second).sum() / max(1, (first | second).sum()))


def plain_found(
    annotations: list[dict[str, Any]],
    detections: list[dict[str, Any]],
    scores: Any,
    least: float,
    max_det: int = 100,
) -> list[float | None]:
    """Returns the IoU with the instance found, 0 for a false alarm, None where none counts."""
    found: list[float | None] = [None] * len(detections)
    taken: set[int] = set()
    placed: dict[Any, int] = {}
    for i in sorted(range(len(detections)), key=lambda i: -scores[i]):
        d = detections[i]
        group = d["image_id"], d["category_id"]
        placed[group] = placed.get(group, 0) + 1
        if placed[group] > max_det:
            continue
        best, best_iou, in_crowd = None, least, False
        for a in annotations:
            if (a["image_id"], a["category_id"]) != group:
                continue
            if a["iscrowd"]:
                mask = mask_utils.decode(d["segmentation"]).astype(bool)
                crowd = mask_utils.decode(a["segmentation"]).astype(bool)
                share = (mask & crowd).sum() / max(1, mask.sum())
                in_crowd |= bool(share > 0 and share >= least)
            elif a["id"] not in taken:
                iou = pixel_iou(d["segmentation"], a["segmentation"])
                if iou > 0 and iou >= best_iou:
                    best, best_iou = a["id"], iou
        if best is not None:
            taken.add(best)
            found[i] = best_iou
        elif not in_crowd:
            found[i] = 0.0
    return found


def of_class(detections: list[dict[str, Any]], found: list[float | None], category_id: int) -> Any:
    """Returns the positions of the detections of a class that count."""
    return [
        i
        for i, d in enumerate(detections)
        if d["category_id"] == category_id and found[i] is not None
    ]


def mean(values: list[float]) -> float | None:
    return float(np.mean(values)) if values else None
