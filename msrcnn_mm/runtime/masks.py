"""Puts masks of boxes into the image as MMDetection does, without making images of them.

Shape shorthand:
    D: detections
    M: side of the masks (28)
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msrcnn_mm.coco.box_masks import encode_in_boxes
from msrcnn_mm.coco.detections import Rle
from msrcnn_mm.rescoring.features.own import MASK_STATISTICS

Floats = NDArray[np.float32]


def paste(masks: Floats, boxes: Floats, height: int, width: int, threshold: float) -> list[Rle]:
    """Returns the RLEs of masks in their boxes.

    A pixel belongs to the mask if the probability at its centre, interpolated between the centres
    of the mask's cells, is ``threshold`` or more; beyond the outermost centres it falls to 0.

    Args:
        masks: (D, M, M) probabilities.
        boxes: (D, 4) x1, y1, x2, y2 in pixels of the image.
        height: Of the image, pixels.
        width: Likewise.
        threshold: In [0, 1].
    """

    def sample(mask: NDArray[Any], across: Floats, down: Floats) -> NDArray[np.bool_]:
        found = np.zeros(len(mask), np.float32)
        (column, x), (row, y) = (_cells(place, masks.shape[-1]) for place in (across, down))
        for right, below in np.ndindex(2, 2):
            share = (x if right else 1 - x) * (y if below else 1 - y)
            found += padded[mask, row + below, column + right] * share
        return found >= np.float32(threshold)

    padded = np.pad(masks, ((0, 0), (1, 1), (1, 1)))
    return encode_in_boxes(masks, boxes, height, width, threshold, sample)


def _cells(places: Floats, side: int) -> tuple[NDArray[np.int64], Floats]:
    """Returns the padded cells before places from -1 to 1, and how far they are to the next."""
    cells = np.clip(((places + 1) * side - 1) / 2, -1, side)
    before = np.floor(cells).clip(-1, side - 1)
    return np.nan_to_num(before, nan=-1).astype(np.int64) + 1, cells - before


def mask_statistics(probs: Floats, threshold: float) -> list[dict[str, float]]:
    """Computes the statistics of :data:`.MASK_STATISTICS` of (D, M, M) probabilities.

    They are those of ``msrcnn_mm.models.scorers.mask_statistics``, with the four decimals of
    results files.

    Args:
        probs: (D, M, M).
        threshold: Probability from which a cell is foreground.
    """
    flat = probs.reshape(len(probs), probs.shape[1] * probs.shape[2])
    p, on = flat.astype(float), flat >= np.float32(threshold)
    rim = np.ones(probs.shape[1:], bool)
    rim[1:-1, 1:-1] = False
    many, area = p.shape[1], on.sum(axis=1)
    total, inside = p.sum(axis=1), (p * on).sum(axis=1)
    entropy = (_entropy(p) + _entropy(1 - p)).sum(axis=1)
    columns = {
        "background_mean": _ratio(total - inside, many - area),
        "uncertain_share": ((p > 0.2) & (p < 0.8)).mean(axis=1),
        "stability": _ratio((p >= 0.7).sum(axis=1), (p >= 0.3).sum(axis=1)),
        "wide_stability": _ratio((p >= 0.9).sum(axis=1), (p >= 0.1).sum(axis=1)),
        "maximum": p.max(axis=1, initial=0),
        "entropy": entropy / many,
        "foreground_entropy": _ratio(entropy, area),
        "soft_iou": _ratio(inside, area + total - inside),
        "rim_mean": p[:, rim.ravel()].mean(axis=1),
    }
    rows = np.stack([columns[name] for name in MASK_STATISTICS], axis=1).astype(np.float32)
    rounded: Sequence[list[float]] = rows.astype(float).round(4).tolist()
    return [dict(zip(MASK_STATISTICS, row, strict=True)) for row in rounded]


def _entropy(p: NDArray[np.float64]) -> NDArray[np.float64]:
    values: NDArray[np.float64] = -p * np.log(np.where(p > 0, p, 1))
    return values


def _ratio(numerators: NDArray[Any], denominators: NDArray[Any]) -> NDArray[np.float64]:
    ratios = np.zeros(len(numerators))
    np.divide(numerators, denominators, out=ratios, where=denominators > 0)
    return ratios
