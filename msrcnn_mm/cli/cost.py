"""Counts parameters and multiply-accumulates (MACs) of detectors part by part, and times them.

A RoI head's MACs an image are those of as many RoIs as the test config allows: proposals for boxes,
detections for masks. MACs of convolutions, fully connected layers and matrix products are counted;
RoIAlign, NMS, normalisation, activations and pasting of masks are left out.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from statistics import median

import torch
from mmengine.device import get_device
from terminaltables import AsciiTable

from msrcnn_mm.engine.config.file import load_config
from msrcnn_mm.engine.cost.count import Cost, count_cost
from msrcnn_mm.engine.cost.random_run import build
from msrcnn_mm.engine.cost.timing import Timing, time_in_turns

from .arguments import OneLineParser
from .run_arguments import SAFE


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = OneLineParser(description=__doc__, allow_abbrev=False)
    parser.add_argument(
        "configs",
        nargs="+",
        metavar="CONFIG",
        help="config file, or one of MMDetection's: mmdet::FOLDER/NAME.py",
    )
    parser.add_argument("--safe", action="store_true", help=SAFE)
    parser.add_argument(
        "--shape",
        nargs=2,
        type=int,
        default=[800, 1333],
        metavar=("HEIGHT", "WIDTH"),
        help="of the image in pixels, before the model pads it [800 1333]",
    )
    parser.add_argument(
        "--time",
        type=int,
        metavar="N",
        help="time the configs too, on N images each, in turns, with random weights",
    )
    args = parser.parse_args(argv)
    if min(args.shape) < 1:
        parser.error(f"--shape: height and width must be integers >= 1, not {args.shape}")
    if args.time is not None and args.time < 1:
        parser.error(f"--time: must be an integer >= 1, not {args.time}")
    return args


def main(argv: Sequence[str] | None = None) -> None:
    """Counts the cost of each config's detector, and times them with ``--time``.

    Raises:
        UserError: A config cannot be read, has no model, or its model cannot be built or run.
    """
    args = parse_args(argv)
    shape = (args.shape[0], args.shape[1])
    configs = [(name, load_config(name, None, None, "none", args.safe)) for name in args.configs]
    for name, config in configs:
        progress(f"counting {name}")
        cost = count_cost(config, name, shape)
        padded = "" if cost.padded == shape else f", padded to {cost.padded[0]} x {cost.padded[1]}"
        print(f"{name}: image of {shape[0]} x {shape[1]}{padded}")
        print(cost_table(cost), flush=True)
    if args.time is not None:
        device = get_device()
        models = [(name, build(config, name)) for name, config in configs]
        timings = time_in_turns(models, shape, args.time, device, Progress().show)
        threads = f" ({torch.get_num_threads()} of torch's threads)" if device == "cpu" else ""
        print(
            f"time of an image of {shape[0]} x {shape[1]} on {device}{threads}, random weights, "
            f"no score threshold; median of {args.time}, in turns"
        )
        print(time_table(args.configs, timings))


def progress(text: str) -> None:
    """Prints progress on stderr, apart from the results."""
    print(text, file=sys.stderr, flush=True)


class Progress:
    """Prints every two seconds how far the timing is."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def show(self, done: int, total: int) -> None:
        """Prints the images done and the total, if two seconds have passed."""
        if time.monotonic() - self._last > 2 and done < total:
            progress(f"{done} of {total} images timed, the first of each to warm up")
            self._last = time.monotonic()


def cost_table(cost: Cost) -> str:
    """Formats a cost: one row for each part, and the sum."""
    rows = [["part", "parameters", "RoIs", "MACs an RoI", "MACs an image"]]
    for part in cost.parts:
        an_roi = "-" if part.macs_an_roi is None else amount(part.macs_an_roi)
        rois = " + ".join(f"{count:,}" for count in part.rois) or "-"
        rows.append([part.name, amount(part.parameters), rois, an_roi, amount(part.macs)])
    rows.append(["all", amount(cost.parameters), "", "", amount(cost.macs)])
    return aligned(rows, footing=True)


def time_table(names: Sequence[str], timings: Sequence[Timing]) -> str:
    """Formats timings: one row for each config, compared with the first."""
    first = median(timings[0].seconds)
    rows = [["config", "masks", "ms an image", "fastest", "ratio"]]
    for name, timing in zip(names, timings, strict=True):
        middle = median(timing.seconds)
        times = [f"{1000 * seconds:,.0f}" for seconds in (middle, min(timing.seconds))]
        rows.append([name, str(timing.masks), *times, f"{middle / first:.3f}"])
    return aligned(rows)


def aligned(rows: list[list[str]], footing: bool = False) -> str:
    """Formats a table with numbers to the right; a footing is set apart."""
    table = AsciiTable(rows)
    table.inner_footing_row_border = footing
    table.justify_columns = dict.fromkeys(range(1, len(rows[0])), "right")
    return table.table


def amount(count: float) -> str:
    """Formats a large number in G, M or k: ``0.39 G``, ``14.3 M``."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= 0.1 * size:
            scaled = count / size
            return f"{scaled:.{2 if scaled < 10 else 1}f} {unit}"
    return f"{count:.0f}"
