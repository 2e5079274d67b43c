"""Mixed precision by ``--amp``: fp16 on a GPU, bf16 on a CPU that is faster with it."""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS
from torch import nn

from msrcnn_mm.errors import UserError

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


def use_mixed_precision(config: Config) -> str:
    """Sets mixed precision: fp16 with scaled losses on a GPU, bf16 on a CPU with units for it.

    A CPU without matrix units for bf16 takes longer with it than with float32, so float32 stays,
    unless the config names ``CpuAmpOptimWrapper``.

    Args:
        config: The config; changed in place.

    Returns:
        A line that says which number format is taken and why.

    Raises:
        UserError: The config's optimizer wrapper is one of its own.
    """
    wrapper = config.optim_wrapper
    kind = class_of(wrapper.setdefault("type", "OptimWrapper"), OPTIM_WRAPPERS)
    if kind not in (OptimWrapper, AmpOptimWrapper, CpuAmpOptimWrapper):
        raise UserError(f"--amp cannot replace the config's optim_wrapper, a {wrapper.type}")
    if get_device() != "cpu":
        wrapper.type = "AmpOptimWrapper"
        wrapper.setdefault("loss_scale", "dynamic")
        return "--amp: fp16 on the GPU, with scaled losses"
    # what only fp16 on a GPU needs
    for key in set(inspect.signature(AmpOptimWrapper).parameters) - {"kwargs"}:
        wrapper.pop(key, None)
    if kind is CpuAmpOptimWrapper or has_bf16_matrix_units():
        wrapper.type = "CpuAmpOptimWrapper"
        return "--amp: bf16 on the CPU"
    wrapper.type = "OptimWrapper"
    return (
        "--amp: float32, since this CPU has no AMX, without which bf16 is slower or not known to be"
        " faster; to take bf16 for its smaller memory, add --cfg-options"
        " optim_wrapper.type=CpuAmpOptimWrapper"
    )


def has_bf16_matrix_units() -> bool:
    """Returns whether the processor multiplies bf16 matrices in hardware (Intel AMX).

    AVX-512's bf16 instructions alone do not suffice: there a step takes longer than in float32.
    """
    # get_capabilities is of torch 2.10 and later
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    if capabilities:
        return bool(capabilities.get("amx_bf16", False))
    return bool(getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)())
