"""Compares the cost of YOLACT++'s scorer with that of Mask Scoring R-CNN's on 100 masks.

    python -m benchmarks.fast_mask_iou [--device cuda] [--masks N] [--turns N] [--json FILE]

Each head has its paper's settings, 80 classes and random weights. Both get the same masks, in the
form that their host gives them: probabilities in the 138 x 138 cells of the prototypes, or 28 x 28
logits of every class and RoI features of 256 x 14 x 14. The time to compute them is not measured.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - PyTorch's own idiom
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.turns import add_to_json, in_turns, machine
from msrcnn_mm import FastMaskIoUHead, MaskIoUHead

CLASSES = 80


def ellipses(count: int, side: int = 138) -> Tensor:
    """Returns probabilities of soft ellipses, (count, side, side), 0 outside their boxes."""
    rng = np.random.default_rng(0)
    ys, xs = np.mgrid[:side, :side]
    masks = np.zeros((count, side, side), np.float32)
    for mask in masks:
        cy, cx = rng.uniform(0, side, 2)
        ry, rx = np.exp(rng.uniform(np.log(3), np.log(60), 2))
        distance = ((ys - cy) / ry) ** 2 + ((xs - cx) / rx) ** 2
        inside = (abs(ys - cy) < ry) & (abs(xs - cx) < rx)
        mask[inside] = 1 / (1 + np.exp(5 * (distance[inside] - 1)))
    return torch.from_numpy(masks)


def macs(function: Callable[[], Tensor]) -> int:
    """Returns the multiply-accumulates of convolutions and fully connected layers."""
    with FlopCounterMode(display=False) as counter:
        function()
    return counter.get_total_flops() // 2


def parameters(module: nn.Module) -> int:
    """Returns the number of parameters of a network."""
    return sum(parameter.numel() for parameter in module.parameters())


@torch.no_grad()
def compare(device: torch.device, count: int, turns: int) -> dict[str, float]:
    """Prints parameters, MACs and time of both heads; returns the times in milliseconds."""
    torch.manual_seed(0)
    fast, full = FastMaskIoUHead(CLASSES).to(device), MaskIoUHead(num_classes=CLASSES).to(device)
    masks = ellipses(count).to(device)
    labels = torch.arange(count, device=device) % CLASSES
    small = F.interpolate(masks[:, None], (28, 28), mode="area").clamp(1e-4, 1 - 1e-4).logit()
    logits = small.expand(-1, CLASSES, -1, -1).contiguous()
    features = torch.randn(count, 256, 14, 14, device=device)

    def rescoring() -> Tensor:
        return fast(masks)

    def mask_iou() -> Tensor:
        return full(features, logits, labels)

    functions = [rescoring, mask_iou]
    times = np.median(in_turns(functions, device, turns), axis=1)
    print(f"{machine(device)}, {count} masks of an image, median of {turns} turns")
    rows = zip((fast, full), functions, times, strict=True)
    for head, function, milliseconds in rows:
        print(
            f"  {type(head).__name__:15}  {parameters(head) / 1e6:7.3f} M parameters"
            f"  {macs(function) / 1e9:7.3f} GMACs  {milliseconds:8.2f} ms"
        )
    print(f"  ratio {times[0] / times[1]:.4f}")
    return {"FastMaskIoUHead_ms": times[0], "MaskIoUHead_ms": times[1]}


def main() -> None:
    """Runs the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--masks", type=int, default=100)
    parser.add_argument("--turns", type=int, default=20)
    parser.add_argument("--json", type=Path, help="file to add the figures to")
    args = parser.parse_args()
    figures = compare(torch.device(args.device), args.masks, args.turns)
    add_to_json(args.json, "fast_mask_iou", args.device, figures)


if __name__ == "__main__":
    main()
