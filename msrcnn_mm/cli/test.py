"""Tests a checkpoint on a config's test set: ``python tools/test.py CONFIG CHECKPOINT``."""

import argparse
from pathlib import Path

from mmdet.utils import setup_cache_size_limit_of_dynamo
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

import msrcnn_mm  # noqa: F401  # registers our modules, for stock configs too, and makes loading safe
from msrcnn_mm.coco.annotations import load_annotations
from msrcnn_mm.engine.checkpoints.fit import CheckpointFitHook
from msrcnn_mm.engine.checkpoints.loading import require_file
from msrcnn_mm.engine.checks.run import METRIC_NAMES, coco_metrics, metrics_of, preflight
from msrcnn_mm.engine.config.errors import StartedHook, mistakes_of_config
from msrcnn_mm.engine.config.file import ArgumentParser, as_list, load_config
from msrcnn_mm.engine.config.walk import annotation_files
from msrcnn_mm.engine.results.oracle import UpperBoundHook
from msrcnn_mm.errors import UserError
from msrcnn_mm.rescoring.calibration_file import read_calibration

from .output_paths import KeepImagesHook, refuse_inputs, writable_folder

DUMPS = {".pkl": "DumpDetResults", ".pickle": "DumpDetResults", ".json": "DumpCocoResults"}


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = ArgumentParser("Test a model")
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
    parser.add_argument("--show-dir", metavar="FOLDER", help="draw the predictions into FOLDER")
    parser.add_argument(
        "--upper-bound",
        action="store_true",
        help="score each mask with its true IoU: what mask scoring could reach, not a result",
    )
    parser.add_argument(
        "--calibration",
        metavar="FILE",
        help="add calibrated scores: what tools/analysis/calibrate.py fit wrote",
    )
    parser.add_argument(
        "--same-images",
        action="store_true",
        help="test on images that the calibration was fitted on, where it looks too good",
    )
    parser.add_common_arguments()
    return parser.parse_args()


def set_metrics(config: Config, metrics: list[str]) -> None:
    """Has the test evaluators measure the given metrics."""
    evaluators = coco_metrics(config.get("test_evaluator"))
    if not evaluators:
        raise UserError("--eval: the config's test_evaluator measures nothing that could be chosen")
    for evaluator in evaluators:
        evaluator.metric = list(dict.fromkeys(metrics))


def add_dump(config: Config, out: str) -> None:
    """Has the predictions written to a file, once it is certain that they can be."""
    path = Path(out).expanduser()
    if path.suffix not in DUMPS:
        raise UserError(f"--out {out}: the name must end in .pkl or .json")
    if path.is_dir():
        raise UserError(f"--out {out}: is a folder")
    writable_folder(path.parent, "--out")
    dump = dict(type=DUMPS[path.suffix], out_file_path=str(path))
    if path.suffix == ".json":
        # it takes the category ids of the classes from there
        dump["ann_file"] = annotations_of_test(config, f"--out {out}")
    inputs = (config.filename, config.load_from, calibration_of(config), *annotation_files(config))
    refuse_inputs(path, "--out", *inputs)
    config.test_evaluator = [*as_list(config.test_evaluator), dump]


def annotations_of_test(config: Config, option: str) -> str:
    """The annotation file that the test is judged by; the option needs it."""
    for evaluator in as_list(config.get("test_evaluator")):
        if evaluator and evaluator.get("ann_file"):
            return evaluator.ann_file
    raise UserError(f"{option}: the config's test_evaluator has no ann_file")


def upper_bound(config: Config) -> UpperBoundHook:
    """The hook that scores masks with their true IoUs, if masks are what is measured."""
    evaluators = coco_metrics(config.get("test_evaluator"))
    if evaluators and not any("segm" in metrics_of(evaluator) for evaluator in evaluators):
        raise UserError("--upper-bound: it is of masks, and no mask is measured: add --eval segm")
    if calibration_of(config) is not None:
        raise UserError("--upper-bound: its scores are the true IoUs; test without a calibration")
    return UpperBoundHook(annotations_of_test(config, "--upper-bound"))


def calibration_of(config: Config) -> str | None:
    """The calibration that a config names."""
    return (config.model.get("test_cfg") or {}).get("calibration")


def check_calibration(config: Config, same_images: bool) -> None:
    """Makes sure that a calibration can be read and is not tested on the images it is made of."""
    path = calibration_of(config)
    if path is None:
        if same_images:
            raise UserError("--same-images: there is no calibration; add --calibration FILE")
        return
    calibration = read_calibration(path)
    if not same_images:
        annotations = annotations_of_test(config, f"the calibration {path}")
        calibration.refuse_same_images(load_annotations(annotations))


def draw_into(config: Config, show_dir: str) -> KeepImagesHook:
    """Has MMDetection's hook draw the predictions into a folder, unless it would lose images."""
    hook = config.default_hooks.get("visualization")
    if hook is None:
        raise UserError(
            "--show-dir: the config draws nothing; add "
            "default_hooks = dict(visualization=dict(type='DetVisualizationHook'))"
        )
    hook.draw = True
    # absolute, or it would be a folder inside the run's
    folder = writable_folder(show_dir, "--show-dir").resolve()
    hook.test_out_dir = str(folder)
    return KeepImagesHook(folder, "--show-dir")


def main() -> None:
    """Checks everything that can be wrong, then tests."""
    args = parse_args()
    setup_cache_size_limit_of_dynamo()
    config = load_config(args.config, args.cfg_options, args.work_dir, args.launcher)
    require_file(args.checkpoint)
    config.load_from = args.checkpoint
    config.resume = False
    if args.eval is not None:
        set_metrics(config, args.eval)
    if args.calibration is not None:
        if config.model.get("test_cfg", {}) is None:
            config.model.test_cfg = {}
        config.merge_from_dict({"model.test_cfg.calibration": args.calibration})
    hooks: list[Hook] = []
    if args.show_dir is not None:
        hooks.append(draw_into(config, args.show_dir))
    if args.out is not None:
        add_dump(config, args.out)
    writable_folder(config.work_dir, "--work-dir")
    start_hook = StartedHook()
    with mistakes_of_config(args.config, args.cfg_options or (), start_hook, config.work_dir):
        classes = preflight(config, ("test",))
        hooks.append(CheckpointFitHook("test", args.checkpoint, classes))
        if args.upper_bound:
            hooks.append(upper_bound(config))
        check_calibration(config, args.same_images)
        runner = RUNNERS.build(config) if "runner_type" in config else Runner.from_cfg(config)
        runner.register_hook(start_hook)
        for hook in hooks:
            runner.register_hook(hook)
        runner.load_or_resume()
        runner.test()
