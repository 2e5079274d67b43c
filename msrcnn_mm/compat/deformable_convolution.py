"""Deformable convolutions on a CPU and in half precision."""

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import grid_sample
from torch.nn.modules.utils import _pair as pair

from .nms import lacks_kernels


def run_deformable_convolutions_in_parallel() -> None:
    """Replaces mmcv's ``deform_conv2d`` and ``modulated_deform_conv2d``.

    Wrong in mmcv 2.1.0: there is none for bf16, nor for fp16 on a CPU, and on a CPU it samples one
    value at a time on one thread. No version is known that fixes it. On a CPU
    :func:`deformable_convolution` takes its place; elsewhere half precision is widened.
    """

    def patched(original: Callable, on_cpu: Callable) -> Callable:
        @wraps(original)
        def convolve(feats: Tensor, offset: Tensor, *args: Any) -> Tensor:
            # all in the offset's type, as in mmcv's operators
            dtype = torch.float32 if lacks_kernels(offset) else offset.dtype
            others = [arg.to(dtype) if isinstance(arg, Tensor) else arg for arg in args]
            operator = on_cpu if feats.device.type == "cpu" else original
            return operator(feats.to(dtype), offset.to(dtype), *others).to(offset.dtype)

        return convolve

    operators: dict[str, Callable] = {
        "deform_conv": _unmodulated,
        "modulated_deform_conv": deformable_convolution,
    }
    for name, on_cpu in operators.items():
        function = f"{name}2d"
        original = getattr(sys.modules[f"mmcv.ops.{name}"], function)
        replacement = patched(original, on_cpu)
        for module in [*sys.modules.values()]:  # some import it by its name
            if getattr(module, "__name__", "").startswith(("mmcv.", "mmdet.")) and (
                vars(module).get(function) is original
            ):
                setattr(module, function, replacement)


def _unmodulated(
    feats: Tensor,
    offset: Tensor,
    weight: Tensor,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    deform_groups: int = 1,
    bias: bool = False,  # mmcv's function takes these two as well, and there is no bias
    im2col_step: int = 32,
) -> Tensor:
    return deformable_convolution(
        feats, offset, None, weight, None, stride, padding, dilation, groups, deform_groups
    )


def deformable_convolution(
    feats: Tensor,
    offset: Tensor,
    mask: Tensor | None,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
    dilation: int | tuple[int, int] = 1,
    groups: int = 1,
    deform_groups: int = 1,
) -> Tensor:
    """Computes a deformable convolution (arXiv 1703.06211), modulated by a mask (1811.11168).

    The features are sampled bilinearly at the offset positions, all at once, as zeros outside. The
    rest is a matrix product, which autocast may run in bf16. This takes memory: a training step
    keeps k values for each input channel and output position of the batch, twice with a mask, where
    mmcv's operators sample again for the gradient. Results are those of mmcv's operators but for
    rounding. Positions are good to some 1e-6 of the features' size, so where a position is an
    integer, an offset's gradient may be that of either side.

    Args:
        feats: (n, channels, h, w).
        offset: (n, ``deform_groups`` * k * 2, h_out, w_out) pixels, k the kernel's positions row
            by row, each with its row offset before its column offset.
        mask: (n, ``deform_groups`` * k, h_out, w_out) weights of the positions, or None for ones.
        weight: (channels_out, channels / ``groups``, kernel height, kernel width).
        bias: (channels_out,), or None.
        stride: Pixels, both ways or (rows, columns).
        padding: Likewise.
        dilation: Likewise.
        groups: How many groups of channels have a convolution each.
        deform_groups: How many groups of channels have offsets and a mask each.

    Returns:
        (n, channels_out, h_out, w_out).

    Raises:
        ValueError: The offset has another size than the output.
    """
    n, channels, height, width = feats.shape
    kernel_h, kernel_w = weight.shape[-2:]
    rows, columns = offset.shape[-2:]
    taps, places, of_group = kernel_h * kernel_w, rows * columns, channels // deform_groups
    (stride_y, stride_x), (pad_y, pad_x), (step_y, step_x) = map(pair, (stride, padding, dilation))

    def ramp(length: int, step: int) -> Tensor:
        return torch.arange(length, dtype=offset.dtype, device=offset.device) * step

    tap_y = ramp(kernel_h, step_y)[:, None] - pad_y + ramp(rows, stride_y)  # (kernel_h, rows)
    tap_x = ramp(kernel_w, step_x)[:, None] - pad_x + ramp(columns, stride_x)
    expected = (
        (height + 2 * pad_y - step_y * (kernel_h - 1) - 1) // stride_y + 1,
        (width + 2 * pad_x - step_x * (kernel_w - 1) - 1) // stride_x + 1,
    )
    if (rows, columns) != expected:
        raise ValueError(f"an offset of {rows} x {columns} for an output of {expected}")
    moved = offset.reshape(n * deform_groups, kernel_h, kernel_w, 2, rows, columns)
    y = moved[:, :, :, 0] + tap_y[:, None, :, None]
    x = moved[:, :, :, 1] + tap_x[None, :, None, :]
    grid = torch.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], dim=-1)
    sampled = grid_sample(
        feats.reshape(n * deform_groups, of_group, height, width),
        grid.view(n * deform_groups, taps * rows, columns, 2),
        align_corners=False,
    )
    if mask is not None:
        sampled = sampled.view(n, deform_groups, of_group, taps, places)
        sampled = sampled * mask.reshape(n, deform_groups, 1, taps, places)
    kernels = weight.reshape(groups, len(weight) // groups, -1)
    out = kernels @ sampled.view(n, groups, channels // groups * taps, places)
    out = out.view(n, len(weight), rows, columns)
    return out if bias is None else out + bias.view(-1, 1, 1)
