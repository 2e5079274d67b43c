"""Compares RoIAlign on a CPU with mmcv's operator: time, and the largest difference.

    python -m benchmarks.roi_align [--turns N] [--json FILE]

Both pool the same random boxes, of a fourth to half of the map's side, from a random feature map,
forward and with the gradient.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import mmcv.ops
import torch
from torch import Tensor

from benchmarks.turns import add_to_json, in_turns, machine, ratio, ratio_line
from msrcnn_mm.models.roi_align import RoIAlign

SCENES = {
    "box branch, R-50, 512 RoIs": (256, 200, 512, 7, 0),
    "mask branch, R-50, 128 RoIs": (256, 200, 128, 14, 0),
    "box branch of the demo, 128 RoIs": (48, 32, 128, 7, 2),
    "mask branch of the demo, 32 RoIs": (48, 32, 32, 14, 1),
}
"""Name -> channels, side of the map, RoIs, bins along a side, sampling ratio."""


def pooling(
    layer: RoIAlign | mmcv.ops.RoIAlign, features: Tensor, rois: Tensor, backward: bool
) -> Callable[[], Tensor]:
    """Returns a function that pools the features of RoIs, and perhaps computes the gradient."""

    def pool() -> Tensor:
        features.grad = None
        pooled = layer(features, rois)
        if not backward:
            return pooled
        pooled.backward(torch.ones_like(pooled))
        assert features.grad is not None
        return features.grad

    return pool


def main() -> None:
    """Runs the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--turns", type=int, default=10)
    parser.add_argument("--json", type=Path, help="file to add the figures to")
    args = parser.parse_args()
    print(machine("cpu"))
    figures = {}
    for name, (channels, side, count, bins, samples) in SCENES.items():
        torch.manual_seed(0)
        features = torch.randn(1, channels, side, side, requires_grad=True)
        sides = side * (0.25 + 0.25 * torch.rand(count, 2))
        corners = torch.rand(count, 2) * (side - sides)
        rois = torch.cat((torch.zeros(count, 1), corners, corners + sides), dim=1)
        layers = [kind(bins, 1.0, samples) for kind in (RoIAlign, mmcv.ops.RoIAlign)]
        for backward in (False, True):
            what = f"{name}, {'forward and gradient' if backward else 'forward'}"
            ours, theirs = (pooling(layer, features, rois, backward) for layer in layers)
            off = float((ours() - theirs()).detach().abs().max())
            measured = ratio(*in_turns([ours, theirs], "cpu", args.turns))
            print(ratio_line(what, measured, "mmcv") + f"  differs by {off:.0e}")
            figures[what] = dict(measured, difference=off)
    add_to_json(args.json, "roi_align", "cpu", figures)


if __name__ == "__main__":
    main()
