"""Compares the time of our deformable convolution on a CPU with that of mmcv's operator.

    python -m benchmarks.deformable_convolution [--threads N] [--turns N]

Measures the 3x3 layers of a ResNet-18 from c3 to c5 on a batch of two images of 320 x 320, forward
pass and gradients, with offsets of about one pixel. Both get the same inputs and run in turns.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from mmcv.ops.modulated_deform_conv import ModulatedDeformConv2dFunction
from torch import Tensor

from msrcnn_mm.compat.deformable_convolution import deformable_convolution

LAYERS = {"c3": (128, 40), "c4": (256, 20), "c5": (512, 10)}  # channels, side of the feature map


def seconds(operator: Callable[..., Tensor], inputs: list[Tensor]) -> tuple[float, float]:
    """Returns the time of a forward pass and that of the gradients of all inputs, in seconds."""
    start = time.perf_counter()
    out = operator(*inputs, None, 1, 1, 1, 1, 1)
    middle = time.perf_counter()
    torch.autograd.grad(out.square().sum(), inputs)
    return middle - start, time.perf_counter() - middle


def compare(channels: int, side: int, turns: int) -> np.ndarray:
    """Returns the median milliseconds, (2, 2): mmcv's and ours x forward pass and gradients."""
    torch.manual_seed(0)
    shapes = [(channels, side, side), (18, side, side), (9, side, side)]
    inputs = [torch.randn(2, *shape) for shape in shapes]
    inputs.append(torch.randn(channels, channels, 3, 3) / channels)
    inputs = [tensor.requires_grad_() for tensor in inputs]
    operators = [ModulatedDeformConv2dFunction.apply, deformable_convolution]
    taken = [[seconds(operator, inputs) for operator in operators] for _ in range(turns + 1)]
    return 1000 * np.median(taken[1:], axis=0)


def main() -> None:
    """Prints both times for each layer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1, help="mmcv's operator uses one")
    parser.add_argument("--turns", type=int, default=10, help="of each operator")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    print(f"CPU, {args.threads} thread(s), median of {args.turns} turns, forward + gradients in ms")
    for name, (channels, side) in LAYERS.items():
        mmcv, ours = compare(channels, side, args.turns)
        print(
            f"  {name}  mmcv {mmcv[0]:6.0f} + {mmcv[1]:6.0f}   ours {ours[0]:6.0f} + {ours[1]:6.0f}"
            f"   ratio {ours.sum() / mmcv.sum():.2f}"
        )


if __name__ == "__main__":
    main()
