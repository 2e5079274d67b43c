"""Converts another codebase's checkpoint to ours, or one of ours to its codebase's.

The names of the weights decide which of the two, and which codebase: the Mask Scoring R-CNN
authors' maskrcnn-benchmark, or the YOLACT authors' own (YOLACT and YOLACT++). MMDetection's
checkpoints need no conversion.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import torch
from mmengine.runner import CheckpointLoader

from msrcnn_mm.engine.checkpoints.loading import require_file
from msrcnn_mm.errors import CheckpointError, UserError, warn
from msrcnn_mm.interop import maskrcnn_benchmark, yolact_checkpoints
from msrcnn_mm.interop.conversion import convert

from .arguments import OneLineParser
from .output_paths import writable_folder

FORMATS = (maskrcnn_benchmark.FORMAT, yolact_checkpoints.FORMAT)


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = OneLineParser(description=__doc__)
    parser.add_argument("old", metavar="IN", help="checkpoint file to convert")
    parser.add_argument("new", metavar="OUT", type=Path, help="file to write; must not exist")
    return parser.parse_args(argv)


def save(checkpoint: dict, path: Path) -> None:
    """Writes a checkpoint completely or not at all.

    Raises:
        UserError: It cannot be written.
    """
    writable_folder(path.parent, "OUT")
    part = path.with_name(f"{path.name}.part-{os.getpid()}")
    try:
        torch.save(checkpoint, part)
        part.replace(path)
    except (OSError, RuntimeError) as error:  # torch raises the latter on a full disk
        raise UserError(f"{path}: cannot be written: {error}".splitlines()[0]) from error
    finally:
        part.unlink(missing_ok=True)


def main(argv: Sequence[str] | None = None) -> None:
    """Reads a checkpoint, converts and writes it, and prints what it did.

    Raises:
        UserError: The file cannot be read or converted, or the other exists.
    """
    args = parse_args(argv)
    require_file(args.old)
    path = args.new.expanduser()
    if path.exists():
        raise UserError(f"{path}: exists; name a new file or delete it")
    checkpoint = CheckpointLoader.load_checkpoint(args.old, "cpu", logger="silent")
    try:
        done = convert(checkpoint, FORMATS)
    except CheckpointError as error:
        raise CheckpointError(f"{args.old}: {error}") from error
    save(done.checkpoint, path)
    print(f"{args.old}: {done.found}")
    if done.left_out:
        print(f"left out: {', '.join(done.left_out)}")
    for warning in done.warnings:
        warn(f"{args.old}: {warning}")
    print(f"wrote {path}; {done.advice}")
