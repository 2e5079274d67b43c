"""Times training steps and test images of Mask Scoring R-CNN beside MMDetection's detectors.

    python -m benchmarks.detector_steps [--device cuda] [--batch 16] [--amp] [--channels-last]

Three detectors of the same random weights take turns on the same images: MMDetection's Mask R-CNN,
MMDetection's built-in Mask Scoring R-CNN, and ours. A training step is the transfer of the batch,
both passes and the update; each image has 128 positive RoIs. A test image goes from pixels to
masks in the image, 100 of them.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from mmdet.models.detectors import TwoStageDetector
from mmengine.optim import AmpOptimWrapper, OptimWrapper

from benchmarks.detectors import apply_hook, build_detectors, give_proposals, training_batch
from benchmarks.turns import add_to_json, in_turns, machine, ratio, ratio_line
from msrcnn_mm.engine.cost.random_run import random_image, run_once
from msrcnn_mm.engine.hooks.channels_last import ChannelsLastHook
from msrcnn_mm.engine.runs.mixed_precision import CpuAmpOptimWrapper


def optimizer_of(detector: TwoStageDetector, amp: bool, device: str) -> OptimWrapper:
    """Returns the stock optimiser, with a rate that leaves random weights finite."""
    sgd = torch.optim.SGD(detector.parameters(), lr=1e-5, momentum=0.9, weight_decay=1e-4)
    if not amp:
        return OptimWrapper(sgd)
    return (AmpOptimWrapper if device == "cuda" else CpuAmpOptimWrapper)(optimizer=sgd)


def training_steps(
    detectors: dict[str, TwoStageDetector], batch: dict[str, list], amp: bool, device: str
) -> list[Callable[[], dict]]:
    """Returns a training step for each detector, on copies of the batch."""
    steps = []
    for detector in detectors.values():
        optimizer = optimizer_of(detector, amp, device)

        def step(
            detector: TwoStageDetector = detector, optimizer: OptimWrapper = optimizer
        ) -> dict:
            detector.train()
            torch.manual_seed(0)
            data = dict(
                inputs=list(batch["inputs"]),
                data_samples=[sample.clone() for sample in batch["data_samples"]],
            )
            return detector.train_step(data, optimizer)

        steps.append(step)
    return steps


def peak_memory(step: Callable[[], object]) -> float:
    """Returns the greatest GPU memory of a call in GB."""
    torch.cuda.reset_peak_memory_stats()
    step()
    return torch.cuda.max_memory_allocated() / 1e9


def report(title: str, times: np.ndarray) -> dict[str, dict[str, float]]:
    """Prints our time over Mask R-CNN's and over the built-in's, and returns both."""
    print(title)
    plain, built_in, ours = times
    overhead, against = ratio(ours, plain), ratio(ours, built_in)
    print(ratio_line("MS R-CNN over Mask R-CNN", overhead, "Mask R-CNN"))
    print(ratio_line("MS R-CNN over the built-in", against))
    return {"over_mask_rcnn": overhead, "over_built_in": against}


def main() -> None:
    """Runs the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch", type=int, default=2, help="images a training step [2]")
    parser.add_argument("--instances", type=int, default=8, help="an image [8]")
    parser.add_argument("--size", type=int, nargs=2, default=(800, 1333), metavar=("H", "W"))
    parser.add_argument("--amp", action="store_true", help="mixed precision")
    parser.add_argument("--channels-last", action="store_true", help="by ChannelsLastHook")
    parser.add_argument("--turns", type=int, default=10)
    parser.add_argument("--json", type=Path, help="file to add the figures to")
    args = parser.parse_args()
    detectors = build_detectors(args.device)
    if args.channels_last:
        for detector in detectors.values():
            apply_hook(ChannelsLastHook, detector)
    shape = tuple(args.size)
    image = random_image(shape)
    tests = [
        lambda name=name, model=model: run_once(model.eval(), image, name, shape)
        for name, model in detectors.items()
    ]
    print(machine(args.device))
    where = f"{shape[0]} x {shape[1]}{', mixed precision' if args.amp else ''}"
    figures = {}
    if not args.amp:
        times = in_turns(tests, args.device, args.turns)
        figures["test"] = report(f"test of an image of {where}", times)
    for detector in detectors.values():
        give_proposals(detector)
    batch = training_batch(args.batch, args.instances, shape)
    steps = training_steps(detectors, batch, args.amp, args.device)
    times = in_turns(steps, args.device, args.turns, warm_up=2)
    figures["training"] = report(
        f"training step of {args.batch} images of {where}, {args.instances} instances each", times
    )
    if args.device == "cuda":
        memory = dict(zip(detectors, map(peak_memory, steps), strict=True))
        print("  memory  " + "  ".join(f"{name} {gb:.1f} GB" for name, gb in memory.items()))
        figures["memory_gb"] = memory
    switches = f"{' amp' if args.amp else ''}{' channels-last' if args.channels_last else ''}"
    name = f"detector_steps batch {args.batch}{switches}"
    add_to_json(args.json, name, args.device, figures)


if __name__ == "__main__":
    main()
