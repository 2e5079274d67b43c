"""Compares all targets of the mask branches with MMDetection's built-in ones: time and memory.

    python -m benchmarks.mask_targets [--device cuda] [--turns N] [--rois N] [--growth]
        [--out FIGURE.png] [--json FILE]

The mask targets are equal bit by bit, which is checked first. ``both`` are mask targets and then
mask IoU targets of the same image, as in a training step of Mask Scoring R-CNN. Memory is that by
which the peak exceeds what was in use before. ``--growth`` repeats ours for 1 to 500 instances and
for images of 1/4 to 16 times as many pixels; ``--out`` draws that.
"""

import argparse
from collections.abc import Callable
from copy import copy
from functools import partial
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from mmdet.models.roi_heads.mask_heads.maskiou_head import MaskIoUHead as BuiltInMaskIoUHead
from mmdet.structures.mask import BitmapMasks
from mmdet.structures.mask.mask_target import mask_target_single
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData

from benchmarks.mask_iou_targets import image_scene
from benchmarks.turns import add_to_json, in_turns, machine, peak_memory, ratio, ratio_line
from msrcnn_mm.models.targets.mask_iou_targets import mask_iou_targets
from msrcnn_mm.models.targets.mask_targets import mask_targets
from msrcnn_mm.models.targets.summed_area import SummedAreaTables

CONFIG = ConfigDict(mask_size=28, mask_thr_binary=0.5)
INSTANCES = (1, 8, 20, 100, 500)
SCALES = (0.5, 1, 2, 4)  # of the image's sides, on 20 instances
SHAPE = (800, 1333)

Targets = Callable[[bool], torch.Tensor]


def sides(
    device: torch.device, rois: int, instances: int, shape: tuple[int, int]
) -> tuple[Targets, Targets]:
    """Returns functions that compute our targets and the built-in's.

    Called with True, they compute the mask IoU targets too. They return the mask targets.
    """
    scene = image_scene(rois, instances, shape)
    masks = BitmapMasks(scene.masks, *shape)
    arrays = (scene.boxes, scene.inds, scene.logits)
    boxes, inds, logits = (torch.from_numpy(array).to(device) for array in arrays)
    built_in = BuiltInMaskIoUHead()
    sampled = [InstanceData(pos_priors=boxes, pos_assigned_gt_inds=inds)]
    ground_truth = [InstanceData(masks=masks)]

    def ours(with_ious: bool) -> torch.Tensor:
        fresh = copy(masks)  # its crops are not known
        targets = mask_targets(fresh, boxes, inds, CONFIG)
        if with_ious:
            mask_iou_targets(logits, boxes, inds, SummedAreaTables.from_masks([fresh], device))
        return targets

    def theirs(with_ious: bool) -> torch.Tensor:
        targets = mask_target_single(boxes.clone(), inds, masks, CONFIG)
        if with_ious:
            built_in.get_targets(sampled, ground_truth, logits, targets, CONFIG)
        return targets

    return ours, theirs


def compare(device: torch.device, rois: int, instances: int, turns: int) -> dict[str, object]:
    """Prints and returns the times and the memory of both on an image of ``SHAPE``."""
    ours, theirs = sides(device, rois, instances, SHAPE)
    if not torch.equal(ours(False), theirs(False)):
        raise SystemExit("the mask targets differ from MMDetection's")
    figures: dict[str, object] = {}
    for name, with_ious in (("mask targets", False), ("both", True)):
        calls = [partial(ours, with_ious), partial(theirs, with_ious)]
        figures[name] = ratio(*in_turns(calls, device, turns, warm_up=1))
        print(ratio_line(f"{instances} instances, {name}", figures[name]))
    memory = [peak_memory(partial(side, True), device) for side in (ours, theirs)]
    print(f"  {'':44} ours {memory[0]:9.1f} MB  built-in {memory[1]:9.1f} MB")
    return {**figures, "ours_mb": memory[0], "theirs_mb": memory[1]}


def growth(device: torch.device, rois: int, turns: int) -> dict[str, list[dict[str, float]]]:
    """Prints and returns our times and memory for more instances and for larger images."""
    cases = {
        "instances": [(count, count, SHAPE) for count in INSTANCES],
        "megapixels": [
            (height * width / 1e6, 20, (height, width))
            for height, width in ((int(SHAPE[0] * s), int(SHAPE[1] * s)) for s in SCALES)
        ],
    }
    found: dict[str, list[dict[str, float]]] = {}
    for axis, points in cases.items():
        found[axis] = []
        for at, instances, shape in points:
            ours, _ = sides(device, rois, instances, shape)
            taken = in_turns([partial(ours, False), partial(ours, True)], device, turns, warm_up=1)
            mask, both = np.median(taken, axis=1).tolist()
            memory = peak_memory(partial(ours, True), device)
            found[axis].append({"at": at, "mask_ms": mask, "both_ms": both, "mb": memory})
            print(
                f"  {at:7.1f} {axis:10}  mask targets {mask:8.1f} ms  both {both:8.1f} ms"
                f"  memory {memory:7.1f} MB"
            )
    return found


def draw(found: dict[str, list[dict[str, float]]], path: Path) -> None:
    """Draws time and memory against instances and pixels."""
    figure, axes = plt.subplots(1, len(found), figsize=(9, 3.4), layout="constrained")
    for ax, (axis, points) in zip(axes, found.items(), strict=True):
        at = [point["at"] for point in points]
        for key, label in (("mask_ms", "mask targets, ms"), ("both_ms", "both, ms"), ("mb", "MB")):
            style = "--" if key == "mb" else "-"
            ax.loglog(
                at, [max(point[key], 0.1) for point in points], style, marker="o", label=label
            )
        ax.set_xlabel(axis)
        ax.grid(True, which="both", alpha=0.2)
    axes[0].legend(frameon=False)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Runs the comparison, and the growth if asked."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--turns", type=int, default=10)
    parser.add_argument("--rois", type=int, default=128)
    parser.add_argument("--growth", action="store_true")
    parser.add_argument("--out", type=Path, help="picture of the growth")
    parser.add_argument("--json", type=Path, help="file to add the figures to")
    args = parser.parse_args()
    device = torch.device(args.device)
    print(f"{machine(device)}, {args.rois} RoIs of {SHAPE[0]} x {SHAPE[1]}, {args.turns} turns")
    figures: dict[str, object] = {
        f"{instances} instances": compare(device, args.rois, instances, args.turns)
        for instances in INSTANCES[:-1]
    }
    if args.growth or args.out:
        figures["growth"] = found = growth(device, args.rois, args.turns)
        if args.out:
            draw(found, args.out)
    add_to_json(args.json, "mask_targets", args.device, figures)


if __name__ == "__main__":
    main()
