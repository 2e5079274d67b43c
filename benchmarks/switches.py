"""Times what else may speed Mask Scoring R-CNN up: number formats, memory layout, compilation.

    python -m benchmarks.switches [--device cuda] [--batch 16] [--depth 18] [--json FILE]

The same detector with the same weights takes turns with itself on the same images: as it is, in
mixed precision (fp16 on a GPU, bf16 on a CPU), with its weights channels-last, and with the
networks of its heads compiled. Compiling is not timed. On a CPU,
``ONEDNN_MAX_CPU_ISA=AVX512_CORE_BF16`` tells what a processor without AMX would do,
``AVX512_CORE`` one without bf16.
"""

import argparse
import copy
from collections.abc import Callable
from functools import partial
from pathlib import Path

from mmdet.models.detectors import TwoStageDetector

from benchmarks.detector_steps import training_steps
from benchmarks.detectors import apply_hook, build_detectors, give_proposals, training_batch
from benchmarks.turns import add_to_json, in_turns, machine, ratio, ratio_line
from msrcnn_mm.engine.cost.random_run import random_image, run_once
from msrcnn_mm.engine.hooks.channels_last import ChannelsLastHook
from msrcnn_mm.engine.hooks.compile_heads import CompileHeadsHook

CHANNELS_LAST, COMPILED = (partial(apply_hook, of) for of in (ChannelsLastHook, CompileHeadsHook))

SWITCHES: dict[str, tuple[bool, list[Callable[[TwoStageDetector], None]]]] = {
    "as it is": (False, []),
    "channels-last": (False, [CHANNELS_LAST]),
    "compiled heads": (False, [COMPILED]),
    "mixed precision": (True, []),
    "mixed precision, channels-last": (True, [CHANNELS_LAST]),
    "mixed precision, compiled heads": (True, [COMPILED]),
}
"""Name -> whether in mixed precision, and what is done to the detector."""


def main() -> None:
    """Runs the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch", type=int, default=2, help="images a training step [2]")
    parser.add_argument("--depth", type=int, default=50, help="of the ResNet [50]")
    parser.add_argument("--size", type=int, nargs=2, default=(800, 1333), metavar=("H", "W"))
    parser.add_argument("--turns", type=int, default=10)
    parser.add_argument("--switches", nargs="+", choices=SWITCHES, default=list(SWITCHES))
    parser.add_argument("--json", type=Path, help="file to add the figures to")
    args = parser.parse_args()
    shape = tuple(args.size)
    stock = build_detectors(args.device, args.depth)["ours"]
    batch, image = training_batch(args.batch, 8, shape), random_image(shape)
    names = dict.fromkeys(["as it is", *args.switches])
    steps, tests = [], []
    for name in names:
        amp, changes = SWITCHES[name]
        detector = copy.deepcopy(stock)
        for change in changes:
            change(detector)
        if not amp:
            tests.append(lambda d=detector, n=name: run_once(d.eval(), image, n, shape))
        trained = copy.deepcopy(stock)
        for change in changes:
            change(trained)
        give_proposals(trained)
        steps += training_steps({name: trained}, batch, amp, args.device)
    print(machine(args.device))
    figures = {}
    for what, functions, named in (
        (f"training step of {args.batch} images", steps, list(names)),
        ("test of an image", tests, [name for name in names if not SWITCHES[name][0]]),
    ):
        print(f"{what} of {shape[0]} x {shape[1]}, R-{args.depth}")
        plain, *others = in_turns(functions, args.device, args.turns)
        figures[what] = {n: ratio(t, plain) for n, t in zip(named[1:], others, strict=True)}
        for name, measured in figures[what].items():
            print(ratio_line(name, measured, "as it is").replace(" ours", "     "))
    add_to_json(args.json, f"switches batch {args.batch}", args.device, figures)


if __name__ == "__main__":
    main()
