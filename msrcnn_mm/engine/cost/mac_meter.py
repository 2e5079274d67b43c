"""Counts the multiply-accumulates (MACs) of a module's parts while it runs."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True)
class Call:
    """One call of a part: its MACs and its number of RoIs, None without RoIs."""

    part: str
    macs: int
    rois: int | None


class MacMeter:
    """Counts the MACs of a model's parts while it runs.

    A call of a part lasts from its first module's call to that module's return. Parts that are
    lists of stages, or whose modules are called one by one, are thus counted completely.

    Args:
        parts: Name -> part.

    Attributes:
        calls: The calls so far.
    """

    def __init__(self, parts: Mapping[str, nn.Module]) -> None:
        self.parts = parts
        self.calls: list[Call] = []
        self._flops = FlopCounterMode(display=False)
        self._open: dict[str, int] = dict.fromkeys(parts, 0)
        self._start: dict[str, int] = {}

    @property
    def macs(self) -> int:
        """All MACs so far."""
        return self._flops.get_total_flops() // 2

    @contextmanager
    def running(self) -> Iterator[None]:
        """Counts while the context is open."""
        handles = []
        for name, part in self.parts.items():
            for module in own_modules(part, self.parts):
                handles.append(module.register_forward_pre_hook(self._on_call(name)))
                handles.append(module.register_forward_hook(self._on_return(name)))
        fast_path = torch.backends.mha.get_fastpath_enabled()
        torch.backends.mha.set_fastpath_enabled(False)  # its fused attention would count as nothing
        try:
            with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), self._flops:
                yield
        finally:
            torch.backends.mha.set_fastpath_enabled(fast_path)
            for handle in handles:
                handle.remove()

    def _on_call(self, name: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: tuple) -> None:
            if self._open[name] == 0:
                self._start[name] = self.macs
            self._open[name] += 1

        return hook

    def _on_return(self, name: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: tuple, output: Any) -> None:
            self._open[name] -= 1
            if self._open[name] == 0:
                rois = len(args[0]) if args and isinstance(args[0], Tensor) else None
                macs = self.macs - self._start[name]
                self.calls.append(Call(name, macs, rois))
                for other, depth in self._open.items():
                    if depth > 0:  # this part is inside it and counts for itself
                        self._start[other] += macs

        return hook


def own_modules(part: nn.Module, parts: Mapping[str, nn.Module]) -> list[nn.Module]:
    """Returns the modules of a part without those of other parts inside it."""
    inside = [other for other in parts.values() if other is not part and other in {*part.modules()}]
    others = {module for other in inside for module in other.modules()}
    return [module for module in part.modules() if module not in others]
