"""Puts masks of boxes into the image as MMDetection does, without making images of them.

Shape shorthand:
    D: detections
    M: side of the masks (28)
    h, w: height and width of a box in pixels
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msrcnn_mm.coco.detections import Rle
from msrcnn_mm.coco.runs import Segments, encode_segments
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
    found: list[tuple[NDArray[Any], ...]] = []
    side = masks.shape[-1]
    for index, (mask, (x1, y1, x2, y2)) in enumerate(zip(masks, boxes, strict=True)):
        left, across = _weights(x1, x2, width, side)
        above, down = _weights(y1, y2, height, side)
        inside = down @ mask @ across.T >= np.float32(threshold)
        edges = np.diff(inside.T.astype(np.int8), axis=1, prepend=0, append=0)
        column, first = np.nonzero(edges == 1)
        _, behind = np.nonzero(edges == -1)
        found.append((np.full(len(column), index), column + left, first + above, behind + above))
    if not found:
        return []
    number, column, top, bottom = (np.concatenate(part) for part in zip(*found, strict=True))
    sizes = np.tile(np.array([height, width], np.int64), (len(masks), 1))
    return encode_segments(Segments(number, column, top, bottom, sizes))


def _weights(low: np.float32, high: np.float32, most: int, side: int) -> tuple[int, Floats]:
    """Returns the first pixel of a box in one direction, and (w, M) weights of the mask's cells."""
    first = max(int(np.floor(low)) - 1, 0)
    last = min(int(np.ceil(high)) + 1, most)
    pixels = np.arange(first, last, dtype=np.float32) + np.float32(0.5)
    with np.errstate(divide="ignore", invalid="ignore"):
        places = (pixels - low) / (high - low) * 2 - 1
    places[np.isinf(places)] = 0  # of a box without width, as MMDetection has it
    places = ((places + 1) * side - 1) / 2
    # 1 at the cell's centre, falling to 0 at its neighbours'; a NaN has no weight
    distance = np.abs(places[:, None] - np.arange(side, dtype=np.float32))
    return first, np.where(distance < 1, 1 - distance, 0).astype(np.float32)


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
