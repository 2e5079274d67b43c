"""Compares what makes results of masks in boxes with MMDetection's pasting and encoding.

    python -m benchmarks.masks_to_results [--device cuda] [--turns N] [--json FILE]

Both go from the probabilities of 100 masks and their boxes, which are the mask head's output, to
rows of a results file for an image of 800 x 1333. The rows are equal. Boxes are of 10 to 800 pixels
a side, 130 in the middle, as COCO's are at that size. Then each makes the rows of 300 masks in an
image of 4000 x 6000 in a process of its own, of which the peak memory is printed.
"""

import argparse
import json
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - PyTorch's own idiom
from mmdet.models.roi_heads.mask_heads import FCNMaskHead as BuiltInFCNMaskHead
from mmdet.structures.mask import encode_mask_results
from mmengine.config import ConfigDict
from torch import Tensor

from benchmarks.turns import add_to_json, in_turns, machine, ratio, ratio_line
from msrcnn_mm.engine.adapters.mask_encoder import RleEncoder, encode_by
from msrcnn_mm.engine.adapters.predictions import to_arrays, to_detections
from msrcnn_mm.models.hosts.mask_heads import FCNMaskHead

SHAPE = (800, 1333)
LARGE = (4000, 6000)
SIDES = ("ours", "MMDetection's")


def scene(count: int, shape: tuple[int, int], device: str) -> tuple[Tensor, Tensor]:
    """Returns (count, 1, 28, 28) logits of lumps and (count, 4) boxes in an image."""
    rng, side = np.random.default_rng(0), min(shape)
    sides = side * np.exp(rng.normal(np.log(0.16), 0.8, (count, 1)).clip(-4.4, -0.05))
    shapes = np.exp(rng.normal(0, 0.25, (count, 1)))
    sides = np.minimum(np.concatenate([sides * shapes, sides / shapes], axis=1), side)
    corners = rng.uniform(0, np.array(shape[::-1]) - sides)
    boxes = torch.from_numpy(np.concatenate([corners, corners + sides], axis=1)).float()
    noise = torch.randn(count, 1, 7, 7, generator=torch.Generator().manual_seed(0))
    cells = torch.linspace(-1, 1, 28).square()
    lumps = 6 * (1 - cells - cells[:, None]) + F.interpolate(noise, size=(28, 28), mode="bicubic")
    return lumps.to(device), boxes.to(device)


def head_of(side: str) -> Any:
    """Returns the mask head of one side."""
    if side != "ours":
        return BuiltInFCNMaskHead(num_convs=0, class_agnostic=True)
    head = FCNMaskHead(num_convs=0, class_agnostic=True)
    encode_by(head, RleEncoder())
    return head


def rows_by(head: Any, logits: Tensor, boxes: Tensor, shape: tuple[int, int]) -> list[Any]:
    """Returns rows of a results file of one image, from the output of a mask head."""
    own = boxes.clone()  # the head scales it in place
    labels = torch.zeros(len(boxes), dtype=torch.long, device=boxes.device)
    meta = dict(ori_shape=shape, scale_factor=(1.0, 1.0))
    masks = head._predict_by_feat_single(
        *(logits, own, labels, meta, ConfigDict(mask_thr_binary=0.5)), rescale=True
    )
    if isinstance(masks, Tensor):
        masks = encode_mask_results(masks.cpu().numpy())
    scores = torch.ones(len(boxes))
    fields = dict(bboxes=own, labels=labels, scores=scores, masks=masks)
    return to_detections(to_arrays(fields), 1, [1]).to_rows()


def time_both(device: str, turns: int) -> dict[str, Any]:
    """Prints and returns the times of 100 masks, run in turns."""
    logits, boxes = scene(100, SHAPE, device)
    functions = [partial(rows_by, head_of(side), logits, boxes, SHAPE) for side in SIDES]
    ours, theirs = (function() for function in functions)
    assert ours == theirs, "the rows differ"
    print(f"{machine(device)}, 100 masks of {SHAPE[0]} x {SHAPE[1]}, {turns} turns")
    measured = ratio(*in_turns(functions, device, turns))
    print(ratio_line("from probabilities to equal rows", measured, SIDES[1]))
    return measured


def peak_of(side: str, device: str, count: int) -> dict[str, float]:
    """Prints and returns the seconds and MB that masks of a large image take a process of its own.

    The MB are of the host, and of a GPU's own where there is one.
    """
    command = [sys.executable, "-m", "benchmarks.masks_to_results", "--peak-of", side]
    child = subprocess.run(
        [*command, "--device", device, "--masks", str(count)], check=True, stdout=subprocess.PIPE
    )
    found: dict[str, float] = json.loads(child.stdout.splitlines()[-1])
    print(f"  {side:14} " + "  ".join(f"{name} {value:,.1f}" for name, value in found.items()))
    return found


def memory(entry: str) -> float:
    """Returns an entry of this process's memory, MB, as Linux knows it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(entry)) / 1024


def print_peak(side: str, device: str, count: int) -> None:
    """Prints what masks of a large image add to the memory of this process, and their time."""
    head = head_of(side)
    rows_by(head, *scene(2, SHAPE, device), SHAPE)  # loads what is loaded once
    large, cuda = scene(count, LARGE, device), torch.device(device).type == "cuda"
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here on
    before, start = memory("VmRSS"), time.perf_counter()
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    rows_by(head, *large, LARGE)
    found = {"seconds": time.perf_counter() - start}
    found["MB"] = memory("VmHWM") - before
    if cuda:
        found["MB of the GPU"] = torch.cuda.max_memory_allocated() / 2**20
    print(json.dumps(found))


def main() -> None:
    """Runs both comparisons."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--turns", type=int, default=20)
    parser.add_argument("--masks", type=int, default=300, help="in the large image")
    parser.add_argument("--peak-of", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path, help="file to add the figures to")
    args = parser.parse_args()
    if args.peak_of:
        print_peak(args.peak_of, args.device, args.masks)
        return
    figures: dict[str, Any] = {"100 masks": time_both(args.device, args.turns)}
    print(f"{args.masks} masks of {LARGE[0]} x {LARGE[1]}, in a process of its own")
    figures["large image"] = {side: peak_of(side, args.device, args.masks) for side in SIDES}
    add_to_json(args.json, "masks_to_results", args.device, figures)


if __name__ == "__main__":
    main()
