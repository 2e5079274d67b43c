"""Compares the cost of YOLACT++'s scorer with that of Mask Scoring R-CNN's on 100 masks.

    python -m benchmarks.fast_mask_iou [--device cuda] [--masks N] [--turns N]

Each head has its paper's settings, 80 classes and random weights. Both get the same masks, in the
form that their host gives them: probabilities in the 138 x 138 cells of the prototypes, or 28 x 28
logits of every class and RoI features of 256 x 14 x 14. The time to compute them is not measured.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - PyTorch's own idiom
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

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


def in_turns(
    functions: list[Callable[[], Tensor]], device: torch.device, turns: int
) -> list[float]:
    """Returns the median milliseconds of each function, without its first three turns."""
    taken: list[list[float]] = [[] for _ in functions]
    for _ in range(turns + 3):
        for function, times in zip(functions, taken, strict=True):
            start = time.perf_counter()
            function()
            if device.type == "cuda":
                torch.cuda.synchronize()
            times.append((time.perf_counter() - start) * 1000)
    return [float(np.median(times[3:])) for times in taken]


def macs(function: Callable[[], Tensor]) -> int:
    """Returns the multiply-accumulates of convolutions and fully connected layers."""
    with FlopCounterMode(display=False) as counter:
        function()
    return counter.get_total_flops() // 2


def parameters(module: nn.Module) -> int:
    """Returns the number of parameters of a network."""
    return sum(parameter.numel() for parameter in module.parameters())


@torch.no_grad()
def compare(device: torch.device, count: int, turns: int) -> None:
    """Prints parameters, MACs and time of both heads."""
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
    times = in_turns(functions, device, turns)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    threads = f", {torch.get_num_threads()} thread(s)" if device.type == "cpu" else ""
    print(f"{name}{threads}, {count} masks of an image, median of {turns} turns")
    rows = zip((fast, full), functions, times, strict=True)
    for head, function, milliseconds in rows:
        print(
            f"  {type(head).__name__:15}  {parameters(head) / 1e6:7.3f} M parameters"
            f"  {macs(function) / 1e9:7.3f} GMACs  {milliseconds:8.2f} ms"
        )
    print(f"  ratio {times[0] / times[1]:.4f}")


def main() -> None:
    """Runs the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--masks", type=int, default=100)
    parser.add_argument("--turns", type=int, default=20)
    args = parser.parse_args()
    compare(torch.device(args.device), args.masks, args.turns)


if __name__ == "__main__":
    main()
