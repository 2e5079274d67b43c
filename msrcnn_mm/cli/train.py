"""Trains a model from a config: ``python tools/train.py CONFIG``."""

import argparse
import inspect
import shlex
import sys
from pathlib import Path

from mmdet.utils import setup_cache_size_limit_of_dynamo
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS, RUNNERS
from mmengine.runner import Runner, find_latest_checkpoint

import msrcnn_mm  # noqa: F401  # registers our modules, makes loading safe
from msrcnn_mm.engine.checkpoints.fit import CheckpointFitHook
from msrcnn_mm.engine.checkpoints.loading import require_file
from msrcnn_mm.engine.checks.run import preflight
from msrcnn_mm.engine.config.errors import StartedHook, mistakes_of_config
from msrcnn_mm.engine.config.file import ArgumentParser, class_of, load_config
from msrcnn_mm.engine.cpu_amp import CpuAmpOptimWrapper
from msrcnn_mm.errors import UserError, warn

from .output_paths import writable_folder


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
    kind = class_of(wrapper.setdefault("type", "OptimWrapper"), OPTIM_WRAPPERS)
    if kind not in (OptimWrapper, AmpOptimWrapper, CpuAmpOptimWrapper):
        raise UserError(f"--amp cannot replace the config's optim_wrapper, a {wrapper.type}")
    if get_device() == "cpu":
        wrapper.type = "CpuAmpOptimWrapper"
        # what only fp16 on a GPU needs
        for key in set(inspect.signature(AmpOptimWrapper).parameters) - {"kwargs"}:
            wrapper.pop(key, None)
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


def check_length(config: Config) -> None:
    """Makes sure that the training has one; mmengine ends without a word where it is 0."""
    for key in ("max_epochs", "max_iters"):
        length = (config.get("train_cfg") or {}).get(key)
        if length is not None and (not isinstance(length, int) or length < 1):
            raise UserError(f"train_cfg.{key} must be a whole number above 0, not {length!r}")


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
        warn(f"no checkpoint in {config.work_dir}: the training starts from the beginning")
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
    check_length(config)
    start_hook = StartedHook()
    with mistakes_of_config(args.config, args.cfg_options or (), start_hook, config.work_dir):
        classes = preflight(config, ("train", "val"))
        runner = RUNNERS.build(config) if "runner_type" in config else Runner.from_cfg(config)
        runner.register_hook(start_hook)
        if start is not None:
            hook = CheckpointFitHook("resume" if config.resume else "finetune", start, classes)
            runner.register_hook(hook)
        older = last_checkpoint(config.work_dir)
        try:
            runner.train()
        except KeyboardInterrupt:
            resumed = bool(config.get("resume")) and start is not None
            print(f"\nstopped: {how_to_go_on(config.work_dir, older, resumed)}", file=sys.stderr)
            sys.exit(130)


def last_checkpoint(work_dir: str) -> tuple[str, int] | None:
    """The last checkpoint in a work folder, and when it was written."""
    # mmengine speaks of it where there is none
    found = (
        find_latest_checkpoint(work_dir) if Path(work_dir, "last_checkpoint").is_file() else None
    )
    if found is None or not Path(found).is_file():
        return None
    return found, Path(found).stat().st_mtime_ns


def how_to_go_on(work_dir: str, older: tuple[str, int] | None, resumed: bool) -> str:
    """Says how to go on with a training that was stopped.

    Args:
        work_dir: The run's folder.
        older: The :func:`last_checkpoint` that was there when the training began.
        resumed: Whether the training itself went on from a checkpoint.
    """
    words = sys.argv
    if last_checkpoint(work_dir) not in (None, older):
        words = [*_without_resume(sys.argv), "--resume"]
    elif not resumed:
        return "before its first checkpoint, so the next training starts from the beginning"
    return f"go on with: python {shlex.join(words)}"


def _without_resume(words: list[str]) -> list[str]:
    """A command line less ``--resume`` and the checkpoint that may follow it."""
    kept: list[str] = []
    previous = ""
    for word in words:
        names_checkpoint = previous == "--resume" and not word.startswith("-")
        if not (word == "--resume" or word.startswith("--resume=") or names_checkpoint):
            kept.append(word)
        previous = word
    return kept
