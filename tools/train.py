"""Trains a model from a config: ``python tools/train.py CONFIG``."""

import argparse
import shlex
import sys
from pathlib import Path

from mmdet.utils import setup_cache_size_limit_of_dynamo
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.registry import RUNNERS
from mmengine.runner import Runner, find_latest_checkpoint

import msrcnn_mm  # noqa: F401  # registers our modules, makes loading safe
from msrcnn_mm.checkpoint_fit import CheckpointFitHook
from msrcnn_mm.checkpoints import require_file
from msrcnn_mm.errors import UserError, one_line_errors
from msrcnn_mm.preflight import preflight
from msrcnn_mm.runs import ArgumentParser, load_config, mistakes_of_config, writable_folder


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = ArgumentParser("Train a model")
    parser.add_argument(
        "--resume",
        nargs="?",
        const="auto",
        metavar="CHECKPOINT",
        help="go on from a checkpoint; without a name from the last one in the work folder",
    )
    parser.add_argument(
        "--amp", action="store_true", help="mixed precision: fp16 on a GPU, bf16 on a CPU"
    )
    parser.add_argument(
        "--auto-scale-lr",
        action="store_true",
        help="scale the learning rate by the batch size over all GPUs, as the config provides for",
    )
    parser.add_common_arguments()
    return parser.parse_args()


def use_mixed_precision(config: Config) -> None:
    """Trains in fp16 with scaled losses on a GPU, in bf16 on a CPU."""
    wrapper = config.optim_wrapper
    kinds = ("OptimWrapper", "AmpOptimWrapper", "CpuAmpOptimWrapper")
    if wrapper.setdefault("type", "OptimWrapper") not in kinds:
        raise UserError(f"--amp cannot replace the config's optim_wrapper, a {wrapper.type}")
    if get_device() == "cpu":
        wrapper.type = "CpuAmpOptimWrapper"
    else:
        wrapper.type = "AmpOptimWrapper"
        wrapper.setdefault("loss_scale", "dynamic")


def scale_learning_rate(config: Config) -> None:
    """Switches on the scaling that the config provides for."""
    if not (config.get("auto_scale_lr") or {}).get("base_batch_size"):
        raise UserError(
            "--auto-scale-lr: the config says for no batch size what its learning rate is; add "
            "auto_scale_lr = dict(enable=False, base_batch_size=16)"
        )
    config.auto_scale_lr.enable = True


def set_start(config: Config, resume: str | None) -> str | None:
    """Says where the training starts, and returns the checkpoint it starts from."""
    if resume is not None:
        config.resume = True
        config.load_from = None if resume == "auto" else resume
    if config.get("load_from"):
        require_file(config.load_from)
    if not config.get("resume") or config.get("load_from"):
        return config.get("load_from")
    found = find_latest_checkpoint(config.work_dir) if Path(config.work_dir).is_dir() else None
    if found is None:
        print(f"no checkpoint in {config.work_dir}: the training starts from the beginning")
    return found


def main() -> None:
    """Checks everything that can be wrong, then trains."""
    args = parse_args()
    setup_cache_size_limit_of_dynamo()
    config = load_config(args.config, args.cfg_options, args.work_dir, args.launcher)
    if args.amp:
        use_mixed_precision(config)
    if args.auto_scale_lr:
        scale_learning_rate(config)
    writable_folder(config.work_dir, "--work-dir")
    start = set_start(config, args.resume)
    with mistakes_of_config(args.config):
        classes = preflight(config, ("train", "val"))
        runner = RUNNERS.build(config) if "runner_type" in config else Runner.from_cfg(config)
        if start is not None:
            hook = CheckpointFitHook("resume" if config.resume else "finetune", start, classes)
            runner.register_hook(hook)
        try:
            runner.train()
        except KeyboardInterrupt:
            print(f"\nstopped: {how_to_go_on(config.work_dir)}", file=sys.stderr)
            sys.exit(130)


def how_to_go_on(work_dir: str) -> str:
    """Says how to resume a training that was stopped, if it has got to a checkpoint."""
    if find_latest_checkpoint(work_dir) is None:
        return "before its first checkpoint, so the next training starts from the beginning"
    resume = [] if any(word.startswith("--resume") for word in sys.argv) else ["--resume"]
    return f"go on with: python {shlex.join([*sys.argv, *resume])}"


if __name__ == "__main__":
    with one_line_errors():
        main()
