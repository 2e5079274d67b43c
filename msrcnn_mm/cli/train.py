"""Trains a model from a config."""

import argparse
import shlex
import sys
from collections.abc import Sequence

from mmdet.utils import setup_cache_size_limit_of_dynamo

from msrcnn_mm.engine.checkpoints.place import CheckpointPlace
from msrcnn_mm.engine.config.file import is_first_process, load_config
from msrcnn_mm.engine.hooks.termination import Terminated
from msrcnn_mm.engine.runs.mixed_precision import use_mixed_precision
from msrcnn_mm.engine.runs.runner import checked_run
from msrcnn_mm.engine.runs.training import (
    check_length,
    scale_learning_rate,
    set_start,
)

from .arguments import command_line
from .output_paths import writable_folder
from .run_arguments import RunArgumentParser


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = RunArgumentParser("Train a model")
    parser.add_argument(
        "--resume",
        nargs="?",
        const="auto",
        metavar="CHECKPOINT",
        help="resume from a checkpoint; without a name from the last one in the work folder",
    )
    parser.add_argument(
        "--amp",
        action="store_true",
        help="mixed precision: fp16 on a GPU, bf16 on a CPU that is faster with it",
    )
    parser.add_argument(
        "--auto-scale-lr",
        action="store_true",
        help="scale the learning rate by the batch size over all GPUs, as the config provides for",
    )
    parser.add_common_arguments()
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Checks config, data and checkpoint, then trains.

    Raises:
        UserError: One of these has a mistake.
    """
    args = parse_args(argv)
    setup_cache_size_limit_of_dynamo()
    config = load_config(args.config, args.cfg_options, args.work_dir, args.launcher)
    if args.amp:
        line = use_mixed_precision(config)
        if is_first_process(config):
            print(line)
    if args.auto_scale_lr:
        scale_learning_rate(config)
    writable_folder(config.work_dir, "--work-dir")
    resumes = set_start(config, args.resume)
    check_length(config)
    place = CheckpointPlace.of_config(config)
    with checked_run(config, args.config, args.cfg_options or (), ("train", "val")) as runner:
        older = place.newest()
        try:
            runner.train()
        except (KeyboardInterrupt, Terminated) as stop:
            print(f"\nstopped: {how_to_resume(place, older, resumes)}", file=sys.stderr)
            sys.exit(stop.code if isinstance(stop, Terminated) else 130)


def how_to_resume(place: CheckpointPlace, older: tuple[str, int] | None, resumed: bool) -> str:
    """Returns the command that resumes a training that was stopped.

    Args:
        place: Where the run keeps its checkpoints.
        older: The newest one there when the training began.
        resumed: Whether the training itself resumed from a checkpoint.
    """
    words = command_line()
    if place.newest() not in (None, older):
        words = [*_without_resume(words), "--resume"]
    elif not resumed:
        return "before its first checkpoint, so the next training starts from the beginning"
    return f"resume with: python {shlex.join(words)}"


def _without_resume(words: list[str]) -> list[str]:
    """Removes ``--resume`` and the checkpoint that may follow it from a command line."""
    kept: list[str] = []
    previous = ""
    for word in words:
        names_checkpoint = previous == "--resume" and not word.startswith("-")
        if not (word == "--resume" or word.startswith("--resume=") or names_checkpoint):
            kept.append(word)
        previous = word
    return kept
