"""Changes of a config by the options of a training, and where a training starts and resumes."""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS
from torch import nn

from msrcnn_mm.errors import UserError, warn

from ..checkpoints.loading import require_file
from ..checkpoints.place import CheckpointPlace
from ..config.walk import class_of


@OPTIM_WRAPPERS.register_module()
class CpuAmpOptimWrapper(OptimWrapper):
    """Runs the forward pass in bf16 where that is safe; the parameters stay float32.

    On processors with bf16 matrix units a training step takes about 0.6 of the time. bf16 has the
    exponents of float32, so the loss needs no scaling. Arguments are those of ``OptimWrapper``.
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Wraps the forward pass of a training step."""
        with super().optim_context(model), torch.autocast("cpu", torch.bfloat16):
            yield


def use_mixed_precision(config: Config) -> None:
    """Sets mixed precision: fp16 with scaled losses on a GPU, bf16 on a CPU.

    Raises:
        UserError: The config's optimizer wrapper is one of its own.
    """
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
    """Turns on the scaling of the learning rate by the batch size.

    Raises:
        UserError: The config does not name the batch size that its learning rate is for.
    """
    if not (config.get("auto_scale_lr") or {}).get("base_batch_size"):
        raise UserError(
            "--auto-scale-lr: the config names no batch size that its learning rate is for; add "
            "auto_scale_lr = dict(enable=False, base_batch_size=16)"
        )
    config.auto_scale_lr.enable = True


def check_length(config: Config) -> None:
    """Checks that the training has a length; mmengine ends without a message where it is 0.

    Raises:
        UserError: It has none.
    """
    for key in ("max_epochs", "max_iters"):
        length = (config.get("train_cfg") or {}).get(key)
        if length is not None and (not isinstance(length, int) or length < 1):
            raise UserError(f"train_cfg.{key} must be an integer >= 1, not {length!r}")


def set_start(config: Config, resume: str | None) -> bool:
    """Sets the checkpoint that the training starts from.

    Args:
        config: The config; changed in place.
        resume: The checkpoint to resume from, ``auto`` for the last in the work folder, None to
            start as the config says.

    Returns:
        Whether the training resumes from a checkpoint.

    Raises:
        UserError: The checkpoint's file does not exist, or the work folder has lost its checkpoint.
    """
    if resume is not None:
        config.resume = True
        config.load_from = None if resume == "auto" else resume
    if config.get("load_from"):
        require_file(config.load_from)
        return bool(config.get("resume"))
    if not config.get("resume"):
        return False
    if CheckpointPlace.of_config(config).last() is not None:
        return True  # ResumeHook has the runner find it
    warn(f"no checkpoint in {config.work_dir}: the training starts from the beginning")
    return False
