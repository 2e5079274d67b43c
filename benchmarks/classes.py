"""Times the mask branch and the MaskIoU head against the number of classes.

    python -m benchmarks.classes [--device cuda] [--out FIGURE.png] [--json FILE]

The masks of 100 detections of an image, by heads of the stock sizes with random weights: all of a
head, and its last layer alone, the one whose outputs grow with the classes.
"""

import argparse
from functools import partial
from pathlib import Path

import matplotlib.pyplot as plt
import torch

from benchmarks.turns import add_to_json, in_turns, machine, peak_memory, ratio
from msrcnn_mm.models.hosts.mask_heads import FCNMaskHead
from msrcnn_mm.models.scorers.mask_iou_head import MaskIoUHead

CLASSES = (1, 20, 80, 365, 1203)
"""One, VOC's, COCO's, Objects365's, LVIS's."""

PARTS = ("mask head", "its mask logits", "MaskIoU head", "its mask IoUs")


@torch.no_grad()
def measure(classes: int, masks: int, device: torch.device, turns: int) -> dict[str, float]:
    """Prints and returns the milliseconds of each part, and the MB of both heads together."""
    mask_head = FCNMaskHead(num_classes=classes).to(device).eval()
    mask_iou_head = MaskIoUHead(num_classes=classes).to(device).eval()
    features = torch.rand(masks, 256, 14, 14, device=device)
    labels = torch.arange(masks, device=device) % classes
    logits, upsampled = mask_head(features), torch.rand(masks, 256, 28, 28, device=device)
    hidden = torch.rand(masks, 1024, device=device)
    parts = [
        partial(mask_head, features),
        partial(mask_head.conv_logits, upsampled),
        partial(mask_iou_head, features, logits, labels),
        partial(mask_iou_head.fc_mask_iou, hidden),
    ]
    taken = in_turns(parts, device, turns, warm_up=1)
    found = dict(zip(PARTS, taken.mean(axis=1).tolist(), strict=True))
    for whole, last in ((0, 1), (2, 3)):
        share = ratio(taken[last], taken[whole])["ratio"]
        print(
            f"  {classes:5} classes  {PARTS[whole]:13} {taken[whole].mean():8.1f} ms"
            f"  of it {PARTS[last]:16} {share:6.1%}"
        )
    del logits
    both = peak_memory(lambda: mask_iou_head(features, mask_head(features), labels), device)
    print(f"  {classes:5} classes  memory {both:.0f} MB", flush=True)
    return {**found, "mb": both}


def draw(found: dict[int, dict[str, float]], path: Path) -> None:
    """Draws the times and the memory against the classes."""
    figure, ax = plt.subplots(figsize=(5.4, 3.6), layout="constrained")
    for name in PARTS:
        ax.loglog(list(found), [of[name] for of in found.values()], marker="o", label=f"{name}, ms")
    ax.loglog(list(found), [of["mb"] for of in found.values()], "--", marker="o", label="MB")
    ax.set_xlabel("classes")
    ax.grid(True, which="both", alpha=0.2)
    ax.legend(frameon=False, fontsize="small")
    figure.savefig(path, dpi=110)


def main() -> None:
    """Measures at each number of classes."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--masks", type=int, default=100, help="detections [100]")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--out", type=Path, help="picture of the growth")
    parser.add_argument("--json", type=Path, help="file to add the figures to")
    args = parser.parse_args()
    device = torch.device(args.device)
    print(f"{machine(device)}, {args.masks} masks, {args.turns} turns")
    found = {n: measure(n, args.masks, device, args.turns) for n in CLASSES}
    if args.out:
        draw(found, args.out)
    add_to_json(args.json, "classes", args.device, found)


if __name__ == "__main__":
    main()
