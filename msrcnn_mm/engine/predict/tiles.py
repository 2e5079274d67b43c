"""Cuts large images into tiles, and joins the detections of an image's tiles.

Shape shorthand: D detections of an image.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import pycocotools.mask as mask_utils
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from msrcnn_mm.coco.detections import Detections, Rle
from msrcnn_mm.coco.json_values import is_number
from msrcnn_mm.coco.runs import moved
from msrcnn_mm.evaluation.overlaps import mask_areas
from msrcnn_mm.rescoring.features.agreement import read_agreement

_OVERLAP = 0.2  # of the tiles' side, the least
_SAME = 0.5  # IoU where two tiles overlap, from which on masks are of one object
_MEANS = ("mask_ious", "foreground_probs")  # columns that tell of a mask's pixels


class Tile(NamedTuple):
    """A part of an image, in pixels: columns from left to right - 1, rows likewise."""

    left: int
    top: int
    right: int
    bottom: int

    def common(self, other: "Tile") -> "Tile | None":
        """Returns where two tiles overlap; None where they do not."""
        both = zip(self, other, strict=True)
        left, top, right, bottom = (f(p) for f, p in zip((max, max, min, min), both, strict=True))
        return Tile(left, top, right, bottom) if left < right and top < bottom else None

    def crop(self, masks: Sequence[Rle]) -> list[Rle]:
        """Returns what masks of the whole image have in the tile, as masks of the tile."""
        return moved(masks, -self.left, -self.top, self.bottom - self.top, self.right - self.left)


def tiles_of(height: int, width: int, side: int | None) -> list[Tile]:
    """Returns tiles that cover an image, of at most ``side`` pixels; by default one.

    They overlap by a fifth of their side or more, and all have the same size.
    """
    side = side or max(height, width)
    return [
        Tile(left, top, min(left + side, width), min(top + side, height))
        for top in _starts(height, side)
        for left in _starts(width, side)
    ]


def _starts(length: int, side: int) -> Iterator[int]:
    rest = max(0, length - side)
    steps = math.ceil(rest / max(1, int(side * (1 - _OVERLAP))))
    return (round(rest * step / max(1, steps)) for step in range(steps + 1))


def joined(
    tiles: Sequence[Tile], parts: Sequence[Detections], height: int, width: int
) -> Detections:
    """Joins the detections of an image's tiles.

    Masks of a class in two tiles are of one object where each is the other's best and their IoU is
    at least 0.5 inside the overlap of the tiles. The object gets the union of its masks and the
    class score of the largest of them, of equal ones the highest. Its mask IoU, foreground
    probability, mask statistics and agreement are the means of its masks', weighted by their areas;
    mask score, agreement score and consensus are computed from these.

    Args:
        tiles: The image's tiles.
        parts: The detections of each, with masks and boxes in the tile.
        height: Of the image, pixels.
        width: Likewise.

    Returns:
        Detections of the whole image, in the order of the tiles.
    """
    if len(tiles) == 1:
        return parts[0]
    whole = Detections.concatenate(
        [in_image(tile, part, height, width) for tile, part in zip(tiles, parts, strict=True)]
    )
    if not len(whole):
        return parts[0]
    pairs = _same_objects(tiles, parts, whole)
    links = coo_matrix((np.ones(len(pairs)), pairs.T), shape=(len(whole), len(whole)))
    _, objects = connected_components(links, directed=False)
    return _united(whole, objects)


def in_image(tile: Tile, part: Detections, height: int, width: int) -> Detections:
    """Returns the detections of a tile, with masks and boxes in its image."""
    assert part.masks is not None and part.boxes is not None
    return replace(
        part,
        masks=moved(part.masks, tile.left, tile.top, height, width),
        boxes=part.boxes + np.array([tile.left, tile.top, 0, 0]),
    )


def _same_objects(
    tiles: Sequence[Tile], parts: Sequence[Detections], whole: Detections
) -> NDArray[np.int64]:
    """Returns (P, 2), pairs of detections that are of one object."""
    assert whole.masks is not None
    bounds = np.cumsum([0, *map(len, parts)])
    classes = np.array(whole.category_ids)
    pairs = [np.zeros((0, 2), np.int64)]
    for a, b in combinations(range(len(tiles)), 2):
        common = tiles[a].common(tiles[b])
        if common is None:
            continue
        found = []
        for tile in (a, b):
            own = np.arange(bounds[tile], bounds[tile + 1])
            crops = common.crop([whole.masks[index] for index in own])
            inside = np.flatnonzero(mask_areas(crops) > 0)
            found.append((own[inside], [crops[index] for index in inside]))
        (one, crops_one), (other, crops_other) = found
        if not (len(one) and len(other)):
            continue
        ious = mask_utils.iou(crops_one, crops_other, [0] * len(other))
        ious = np.where(classes[one][:, None] == classes[other], ious, 0)
        best = (ious == ious.max(axis=0)) & (ious == ious.max(axis=1)[:, None]) & (ious >= _SAME)
        rows, columns = np.nonzero(best)
        pairs.append(np.stack([one[rows], other[columns]], axis=1))
    return np.concatenate(pairs)


def _united(whole: Detections, objects: NDArray[np.int32]) -> Detections:
    """Returns one detection for each object, at the place of its largest mask."""
    assert whole.masks is not None and whole.boxes is not None
    areas = mask_areas(whole.masks)
    masks, boxes = [*whole.masks], whole.boxes.copy()
    means = {n: c.copy() for n in _MEANS if (c := getattr(whole, n)) is not None}
    extras = None if whole.extras is None else [*whole.extras]
    order = np.lexsort((-whole.class_scores, -areas, objects))
    groups = np.split(order, np.flatnonzero(np.diff(objects[order])) + 1)
    united = [group for group in groups if len(group) > 1]
    for group in united:
        rle = mask_utils.merge([masks[index] for index in group])
        masks[group[0]] = {"size": list(rle["size"]), "counts": rle["counts"].decode()}
        corners = boxes[group, :2], boxes[group, :2] + boxes[group, 2:]
        low, high = corners[0].min(axis=0), corners[1].max(axis=0)
        boxes[group[0]] = [*low, *(high - low)]
        shares = areas[group] / areas[group].sum()
        for column in means.values():
            column[group[0]] = shares @ column[group]
        if extras is not None:
            extras[group[0]] = _mean([extras[index] for index in group], shares)
    whole = replace(whole, masks=masks, boxes=boxes, extras=extras, **means)
    whole = _with_products(whole, [group[0] for group in united])
    return whole.take(sorted(group[0] for group in groups))


def _mean(entries: Sequence[Any], shares: NDArray[np.float64]) -> Any:
    """Returns the weighted mean of numbers, or of those in mappings; of other values the first.

    A key that only some mappings have has the mean of these.
    """
    first = entries[0]
    if isinstance(first, dict):
        mean = {}
        for key in dict.fromkeys(key for one in entries for key in one):
            known = [index for index, one in enumerate(entries) if key in one]
            weights = shares[known] / shares[known].sum()
            mean[key] = _mean([entries[index][key] for index in known], weights)
        return mean
    return float(np.dot(entries, shares)) if is_number(first) else first


def _with_products(detections: Detections, rows: Sequence[int]) -> Detections:
    """Returns the detections with the scores of some rows computed anew from their factors."""
    some = detections.take(rows)
    agreed = read_agreement(some)
    products = {
        "mask_scores": None if some.mask_ious is None else some.class_scores * some.mask_ious,
        "agreement_scores": agreed.get("agreement_score"),
        "consensus": agreed.get("consensus"),
    }
    columns = {}
    for name, product in products.items():
        column = getattr(detections, name)
        if column is not None and product is not None:
            columns[name] = column.copy()
            columns[name][rows] = product
    return replace(detections, **columns)
