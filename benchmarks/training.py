"""Trains Mask Scoring R-CNN end to end beside MMDetection's built-in one, and compares the losses.

    python -m benchmarks.training [--device cuda] [--batch 16] [--steps 50] [--amp] [--json FILE]

Both start from the same random weights and see the same images in the same order: 128 JPEG images
of 800 x 1333 with 8 ellipses each, as COCO polygons, through the stock pipeline, loaded by as many
processes as there are cores. Each image has 128 positive RoIs (see ``benchmarks/detectors.py``).
The detectors take turns in blocks of steps. The losses of the box branch and of the mask branch
should be the same up to rounding; the mask IoU loss differs, as its targets do.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from benchmarks.detector_steps import optimizer_of
from benchmarks.detectors import CONFIG, build_detectors, give_proposals
from benchmarks.turns import add_to_json, machine, ratio, ratio_line

_SHARED = ("loss_rpn_cls", "loss_rpn_bbox", "loss_cls", "loss_bbox", "loss_mask")


def write_images(folder: Path, count: int, shape: tuple[int, int], instances: int = 8) -> None:
    """Writes JPEG images of ellipses and their COCO annotations, ``train.json``, into a folder."""
    height, width = shape
    rng = np.random.default_rng(0)
    images, annotations = [], []
    for i in range(count):
        coarse = rng.integers(0, 256, (height // 16, width // 16, 3), np.uint8)
        picture = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        for _ in range(instances):
            centre = (int(rng.integers(0, width)), int(rng.integers(0, height)))
            axes = tuple(int(v) for v in np.exp(rng.uniform(np.log(12), np.log(250), 2)))
            outline = cv2.ellipse2Poly(centre, axes, int(rng.integers(0, 180)), 0, 360, 4)
            outline = np.clip(outline, 0, (width - 1, height - 1))
            cv2.fillPoly(picture, [outline], rng.integers(0, 256, 3).tolist())
            x, y, w, h = cv2.boundingRect(outline)
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=i,
                    category_id=int(rng.integers(1, 81)),
                    bbox=[x, y, w, h],
                    area=float(cv2.contourArea(outline)) or 1.0,
                    iscrowd=0,
                    segmentation=[outline.ravel().tolist()],
                )
            )
        cv2.imwrite(str(folder / f"{i}.jpg"), picture)
        images.append(dict(id=i, file_name=f"{i}.jpg", height=height, width=width))
    categories = [dict(id=c, name=f"class {c}") for c in range(1, 81)]
    content = dict(images=images, annotations=annotations, categories=categories)
    (folder / "train.json").write_text(json.dumps(content))


def data_loader(folder: Path, shape: tuple[int, int], batch: int) -> torch.utils.data.DataLoader:
    """Builds the stock config's training loader for the images of :func:`write_images`."""
    init_default_scope("mmdet")
    loader = Config.fromfile(CONFIG).train_dataloader
    workers = min(os.cpu_count() or 1, 16)
    loader.update(batch_size=batch, num_workers=workers, persistent_workers=True)
    loader.dataset.update(
        data_root=str(folder),
        ann_file="train.json",
        data_prefix=dict(img=""),
        metainfo=dict(classes=tuple(f"class {c}" for c in range(1, 81))),
        backend_args=None,
    )
    for step in loader.dataset.pipeline:
        if step.type == "Resize":
            step.scale = (max(shape), min(shape))
    return Runner.build_dataloader(loader, seed=0)


def main() -> None:
    """Runs the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--block", type=int, default=10, help="steps of a detector in a turn [10]")
    parser.add_argument("--images", type=int, default=128)
    parser.add_argument("--size", type=int, nargs=2, default=(800, 1333), metavar=("H", "W"))
    parser.add_argument("--amp", action="store_true", help="mixed precision")
    parser.add_argument("--json", type=Path, help="file to add the figures to")
    args = parser.parse_args()
    if args.steps < 2 * args.block:
        parser.error("--steps must be at least twice --block: the first block warms up")
    detectors = build_detectors(args.device)
    detectors.pop("Mask R-CNN")
    runs = {}
    with tempfile.TemporaryDirectory() as name:
        write_images(Path(name), args.images, tuple(args.size))
        for key, detector in detectors.items():
            give_proposals(detector.train())
            epochs = iter_forever(data_loader(Path(name), tuple(args.size), args.batch))
            next(epochs)  # so that the workers are up
            runs[key] = epochs, optimizer_of(detector, args.amp, args.device), []
        times: dict[str, list[float]] = {key: [] for key in runs}
        for block in range(-(-args.steps // args.block)):
            for key, (batches, optimizer, losses) in runs.items():
                start = time.perf_counter()
                for i, data in enumerate(islice(batches, args.block)):
                    torch.manual_seed(block * args.block + i)
                    losses.append(detectors[key].train_step(data, optimizer))
                if args.device == "cuda":
                    torch.cuda.synchronize()
                times[key].append(1000 * (time.perf_counter() - start) / args.block)
    built_in, ours = (np.array(times[key]) for key in ("built-in", "ours"))
    against = ratio(ours[1:], built_in[1:])  # the first block warms up
    amp = ", mixed precision" if args.amp else ""
    print(
        f"{machine(args.device)}\ntraining, batches of {args.batch}{amp}, a step with its loading"
    )
    print(ratio_line("MS R-CNN over the built-in", against))
    apart = {name: difference(runs, name) for name in _SHARED}
    for name, values in apart.items():
        print(
            f"  {name:14} differs by {values[0]:.1e} in the first step, at most {max(values):.1e} "
            f"in {len(values)}"
        )
    add_to_json(
        args.json, f"training{' amp' if args.amp else ''}", args.device, dict(against, losses=apart)
    )


def iter_forever(loader: torch.utils.data.DataLoader) -> Iterator[dict[str, list]]:
    """Yields batches, epoch after epoch."""
    while True:
        yield from loader


def difference(runs: dict, name: str) -> list[float]:
    """Returns the relative difference of a loss in each step."""
    pairs = zip(runs["ours"][2], runs["built-in"][2], strict=True)
    return [abs(float(a[name]) / max(float(b[name]), 1e-12) - 1) for a, b in pairs]


if __name__ == "__main__":
    main()
