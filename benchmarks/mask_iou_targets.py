"""Compares our mask IoU targets with MMDetection's built-in ones: error and time.

    python -m benchmarks.mask_iou_targets [--device cuda] [--repeats N] [--scenes N] [--json FILE]

The error is the difference from a brute-force target, for which each predicted mask is pasted at
8 x 8 samples a pixel. The time is that on smooth predictions, as a network's, and on noise, which
has the longest outlines. Each call finds the tight boxes of the instances anew; in a training step
they are known from the mask targets (``benchmarks.mask_targets``).
"""

import argparse
from copy import copy
from pathlib import Path

import numpy as np
import torch
from mmdet.models.roi_heads.mask_heads.maskiou_head import MaskIoUHead as BuiltInMaskIoUHead
from mmdet.structures.mask import BitmapMasks
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData

from benchmarks.turns import add_to_json, in_turns, machine, ratio, ratio_line
from msrcnn_mm.models.targets.mask_iou_targets import mask_iou_targets
from msrcnn_mm.models.targets.summed_area import SummedAreaTables
from tests.support.scenes import Scene, prediction, random_scene, tight_box
from tests.support.three_targets import built_in_targets_of, targets_of, truth_of


def accuracy(scenes: int) -> None:
    """Prints the absolute errors of both on random scenes of four RoIs."""
    errors: dict[str, list[np.ndarray]] = {"ours": [], "built-in": []}
    for scene in map(random_scene, range(scenes)):
        truth = truth_of(scene)
        errors["ours"].append(targets_of(scene).numpy() - truth)
        errors["built-in"].append(built_in_targets_of(scene).numpy() - truth)
    print(f"error of the target over {scenes} random scenes, boxes off by 15% of their size")
    for name, parts in errors.items():
        size = np.abs(np.concatenate(parts))
        mean, high, most = size.mean(), np.quantile(size, 0.95), size.max()
        print(f"  {name:9} mean {mean:.4f}  95% {high:.4f}  max {most:.4f}")


def ellipses(instances: int, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Returns masks of ellipses of 20 to 500 pixels, (instances, height, width) uint8."""
    height, width = shape
    masks = np.zeros((instances, height, width), np.uint8)
    for mask in masks:
        cy, cx = rng.uniform(0, height), rng.uniform(0, width)
        ry, rx = np.exp(rng.uniform(np.log(10), np.log(250), 2))
        top, left = max(0, int(cy - ry)), max(0, int(cx - rx))
        crop = mask[top : int(cy + ry) + 2, left : int(cx + rx) + 2]
        ys, xs = np.ogrid[top : top + crop.shape[0], left : left + crop.shape[1]]
        crop[((ys - cy) / ry) ** 2 + ((xs - cx) / rx) ** 2 < 1] = 1
    return masks


def image_scene(
    rois: int, instances: int, shape: tuple[int, int] = (800, 1333), noise: bool = False
) -> Scene:
    """Returns an image with ellipses of many sizes, RoIs near them, and their predictions."""
    rng = np.random.default_rng(0)
    masks = ellipses(instances, shape, rng)
    inds = rng.integers(0, len(masks), rois)
    boxes = np.stack([tight_box(masks[i]) for i in inds]) + rng.normal(0, 5, (rois, 4))
    boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 1)
    if noise:
        logits = rng.normal(0, 3, (rois, 28, 28)).astype(np.float32)
    else:
        pairs = zip(inds, boxes, strict=True)
        logits = np.stack([prediction(rng, masks[i], box) for i, box in pairs])
    return Scene(masks, boxes.astype(np.float32), inds, logits)


def speed(
    device: torch.device, rois: int, instances: int, repeats: int, noise: bool
) -> dict[str, float]:
    """Prints and returns the median times of both, run in turns, and their ratio."""
    scene = image_scene(rois, instances, noise=noise)
    boxes = torch.from_numpy(scene.boxes).to(device)
    inds = torch.from_numpy(scene.inds).to(device)
    logits = torch.from_numpy(scene.logits).to(device)
    sampled = [InstanceData(pos_priors=boxes, pos_assigned_gt_inds=inds)]
    mask_targets = (logits > 0).float()  # the built-in head gets them from the mask head
    built_in = BuiltInMaskIoUHead()

    masks = BitmapMasks(scene.masks, *scene.masks.shape[1:])
    ground_truth = [InstanceData(masks=masks)]

    def ours() -> None:
        tables = SummedAreaTables.from_masks([copy(masks)], device)  # crops of a copy are not known
        mask_iou_targets(logits, boxes, inds, tables)

    def theirs() -> None:
        config = ConfigDict(mask_thr_binary=0.5)
        built_in.get_targets(sampled, ground_truth, logits, mask_targets, config)

    measured = ratio(*in_turns([ours, theirs], device, repeats))
    print(ratio_line(f"{instances} instances{', noise' if noise else ''}", measured))
    return measured


def main() -> None:
    """Runs both comparisons."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--scenes", type=int, default=200)
    parser.add_argument("--json", type=Path, help="file to add the figures to")
    args = parser.parse_args()
    accuracy(args.scenes)
    device = torch.device(args.device)
    print(f"{machine(device)}, 128 RoIs of 800 x 1333, {args.repeats} turns")
    figures = {
        f"{instances} instances{', noise' if noise else ''}": speed(
            device, 128, instances, args.repeats, noise
        )
        for noise in (False, True)
        for instances in (1, 8, 20, 100)
    }
    add_to_json(args.json, "mask_iou_targets", args.device, figures)


if __name__ == "__main__":
    main()
