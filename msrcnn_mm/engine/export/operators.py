"""Defines three operators of a detector's post-processing, and their translations to ONNX.

The number of their results depends on the data. ``torch.export`` sees each as one call, and the
exporter puts standard operators of ONNX in its place.

Shape shorthand:
    N: boxes
    K: those that are kept
    L: levels of the pyramid
    S: side of the RoI features
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from mmcv.ops import nms, roi_align
from onnxscript import opset18 as op
from torch import Tensor


@torch.library.custom_op("msrcnn_mm::top", mutates_args=())
def top(scores: Tensor, most: int) -> Tensor:
    """Returns (K,) indices of the highest of (N,) scores in descending order, at most ``most``."""
    return scores.sort(descending=True)[1][:most].clone()


@torch.library.custom_op("msrcnn_mm::suppress", mutates_args=())
def suppress(boxes: Tensor, scores: Tensor, iou: float, least: float, most: int) -> Tensor:
    """Suppresses boxes that overlap one of a higher score.

    Args:
        boxes: (N, 4) x1, y1, x2, y2.
        scores: (N,).
        iou: IoU above which the box of the lower score is dropped.
        least: score above which boxes are looked at.
        most: number of boxes that are kept at most.

    Returns:
        (K,) indices in the order of descending scores.
    """
    seen = (scores > least).nonzero()[:, 0]
    kept = nms(boxes[seen], scores[seen], iou)[1] if len(seen) else seen
    return seen[kept[:most]]


@torch.library.custom_op("msrcnn_mm::pool", mutates_args=())
def pool(
    levels: list[Tensor],
    boxes: Tensor,
    scales: list[float],
    side: int,
    sampling: int,
    aligned: bool,
    finest: float,
) -> Tensor:
    """Pools features of boxes by RoIAlign, each from the level that fits its size.

    Args:
        levels: L maps of features, (1, channels, height, width).
        boxes: (N, 4) x1, y1, x2, y2 in pixels of the network's input.
        scales: L sizes of the maps over that of the input.
        side: S.
        sampling: samples along each side of a cell; 0 for as many as the box has cells there.
        aligned: whether coordinates are shifted by half a cell, as they should be.
        finest: boxes whose area is below (2 * finest)**2 belong to the first level, those below
            (4 * finest)**2 to the second, and so on.

    Returns:
        (N, channels, S, S).
    """
    pooled = levels[0].new_zeros(len(boxes), levels[0].size(1), side, side)
    rois = torch.nn.functional.pad(boxes, (1, 0))
    size = ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).sqrt() / finest + 1e-6
    level = sum((size >= 2**k).long() for k in range(1, len(levels)))
    for k, (features, scale) in enumerate(zip(levels, scales, strict=True)):
        own = (level == k).nonzero()[:, 0] if len(levels) > 1 else torch.arange(len(boxes))
        if len(own):
            args = (features, rois[own], (side, side), scale, sampling, "avg", aligned)
            pooled[own] = roi_align(*args)
    return pooled


@top.register_fake
def _(scores: Tensor, most: int) -> Tensor:
    return scores.new_empty(torch.library.get_ctx().new_dynamic_size(), dtype=torch.long)


@suppress.register_fake
def _(boxes: Tensor, scores: Tensor, iou: float, least: float, most: int) -> Tensor:
    return scores.new_empty(torch.library.get_ctx().new_dynamic_size(), dtype=torch.long)


@pool.register_fake
def _(levels: list[Tensor], boxes: Tensor, scales: Any, side: int, *settings: Any) -> Tensor:
    return boxes.new_empty(boxes.size(0), levels[0].size(1), side, side)


def _ints(*values: int) -> Any:
    return op.Constant(value_ints=values)


def _floats(*values: float) -> Any:
    return op.Constant(value_floats=values)


def _top(scores: Any, most: int) -> Any:
    k = op.Min(op.Shape(scores), _ints(most))
    return op.TopK(scores, k, axis=0, largest=1, sorted=1)[1]


def _suppress(boxes: Any, scores: Any, iou: float, least: float, most: int) -> Any:
    batch, both = _ints(0), _ints(0, 1)
    kept = op.NonMaxSuppression(
        *(op.Unsqueeze(boxes, batch), op.Unsqueeze(scores, both)),
        *(_ints(most), _floats(iou), _floats(least)),
    )
    return op.Gather(kept, op.Constant(value_int=2), axis=1)


def _pool(
    levels: Any,
    boxes: Any,
    scales: list[float],
    side: int,
    sampling: int,
    aligned: bool,
    finest: float,
) -> Any:
    def align(k: int, own: Any) -> Any:
        zeros = op.ConstantOfShape(op.Shape(own, end=1))
        return op.RoiAlign(
            *(levels[k], own, op.Cast(zeros, to=7)),
            coordinate_transformation_mode="half_pixel" if aligned else "output_half_pixel",
            mode="avg",
            output_height=side,
            output_width=side,
            sampling_ratio=sampling,
            spatial_scale=scales[k],
        )

    if len(levels) == 1:
        return align(0, boxes)
    x1, y1, x2, y2 = (op.Gather(boxes, op.Constant(value_int=i), axis=1) for i in range(4))
    root = op.Sqrt(op.Mul(op.Sub(x2, x1), op.Sub(y2, y1)))
    size = op.Add(op.Div(root, _floats(finest)), _floats(1e-6))
    # floor(log2(size)) is k or more where size is 2^k or more
    bounds = [0.0, *(2.0**k for k in range(1, len(levels))), math.inf]
    parts, places = [], []
    for k in range(len(levels)):
        above = op.GreaterOrEqual(size, _floats(bounds[k]))
        inside = op.And(above, op.Less(size, _floats(bounds[k + 1])))
        own = op.Squeeze(op.NonZero(inside), _ints(0))
        parts.append(align(k, op.Gather(boxes, own, axis=0)))
        places.append(own)
    order = op.Concat(*places, axis=0)
    count = op.Squeeze(op.Shape(order), _ints(0))
    numbers = op.Range(op.Constant(value_int=0), count, op.Constant(value_int=1))
    back = op.ScatterElements(order, order, numbers, axis=0)
    return op.Gather(op.Concat(*parts, axis=0), back, axis=0)


TRANSLATIONS: dict[Callable, Callable] = {
    torch.ops.msrcnn_mm.top.default: _top,
    torch.ops.msrcnn_mm.suppress.default: _suppress,
    torch.ops.msrcnn_mm.pool.default: _pool,
}
"""Operator -> what it is in ONNX, for ``torch.onnx.export``."""
