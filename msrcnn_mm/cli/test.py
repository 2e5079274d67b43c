"""Tests a checkpoint on a config's test set."""

import argparse
import copy
from collections.abc import Sequence
from pathlib import Path

from mmdet.utils import setup_cache_size_limit_of_dynamo
from mmengine.config import Config

from msrcnn_mm.engine.checkpoints.loading import require_file
from msrcnn_mm.engine.checks.evaluators import METRIC_NAMES
from msrcnn_mm.engine.config.file import load_config
from msrcnn_mm.engine.config.walk import annotation_files
from msrcnn_mm.engine.runs.runner import checked_run
from msrcnn_mm.engine.runs.testing import (
    DUMPS,
    add_dump,
    check_rescorer,
    draw_into,
    keep_finished_images,
    oracle_hook,
    rescorer_of,
    set_metrics,
    write_config,
)
from msrcnn_mm.errors import UserError, warn

from .output_paths import refuse_inputs, writable_folder
from .run_arguments import RunArgumentParser, set_scores


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = RunArgumentParser("Test a model")
    parser.add_argument("checkpoint", help="checkpoint file or address")
    parser.add_argument(
        "--eval",
        nargs="+",
        choices=METRIC_NAMES,
        metavar="METRIC",
        help=f"what to measure: {', '.join(METRIC_NAMES)} [as the config says]",
    )
    parser.add_argument(
        "--out",
        metavar="FILE",
        help="write the predictions: .pkl as MMDetection keeps them, .json in COCO's format",
    )
    parser.add_scores()
    parser.add_argument("--show-dir", metavar="FOLDER", help="draw the predictions into FOLDER")
    parser.add_argument(
        "--oracle",
        action="store_true",
        help="score each mask with its true IoU: what mask scoring could reach, not a result",
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="start anew where a killed test of other settings has left finished images",
    )
    parser.add_argument("--upper-bound", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--calibration", help=argparse.SUPPRESS)
    parser.add_argument(
        "--same-images",
        action="store_true",
        help="test on images that it was fitted on, where it looks too good",
    )
    parser.add_common_arguments()
    args = parser.parse_args(argv)
    if args.upper_bound:
        warn("--upper-bound is now called --oracle")
        args.oracle = True
    if args.calibration is not None:
        if args.rescorer is not None:
            raise UserError("--calibration is the old name of --rescorer: give one of them")
        warn("--calibration is now called --rescorer")
        args.rescorer = args.calibration
    return args


def main(argv: Sequence[str] | None = None) -> None:
    """Checks config, data and checkpoint, then tests.

    Raises:
        UserError: One of these has a mistake, or an output cannot be written.
    """
    args = parse_args(argv)
    setup_cache_size_limit_of_dynamo()
    config = load_config(args.config, args.cfg_options, args.work_dir, args.launcher, args.safe)
    require_file(args.checkpoint)
    config.load_from = args.checkpoint
    config.resume = False
    if args.eval is not None:
        set_metrics(config, args.eval)
    set_scores(config, args)
    given = copy.deepcopy(config)
    if args.show_dir is not None:
        draw_into(config, writable_folder(args.show_dir, "--show-dir"))
    unfinished = writable_folder(config.work_dir, "--work-dir") / "test.unfinished"
    if args.out is not None:
        out = _out_path(args.out, config)
        add_dump(config, out)
        unfinished = out.with_name(f"{out.name}.unfinished")
    keep_finished_images(config, unfinished, args.overwrite)
    hooks = [oracle_hook(config)] if args.oracle else []
    check_rescorer(config, args.same_images)
    with checked_run(config, args.config, args.cfg_options or (), ("test",), *hooks) as runner:
        write_config(given, runner.work_dir)
        runner.test()


def _out_path(out: str, config: Config) -> Path:
    """Checks that the file of ``--out`` can be written and is none of the run's inputs."""
    path = Path(out).expanduser()
    if path.suffix not in DUMPS:
        raise UserError(f"--out {out}: the name must end in .pkl or .json")
    if path.is_dir():
        raise UserError(f"--out {out}: is a folder")
    writable_folder(path.parent, "--out")
    inputs = (config.filename, config.load_from, rescorer_of(config))
    refuse_inputs(path, "--out", *inputs, *annotation_files(config))
    return path
