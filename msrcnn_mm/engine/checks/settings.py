"""Settings and names that several checks read."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from mmdet.registry import MODELS
from mmengine.fileio import LocalBackend, get_file_backend
from mmengine.registry import Registry

from ..config.walk import class_of


def setting_of(part: Mapping, name: str, registry: Registry = MODELS) -> Any:
    """Returns a setting of a part of a config, or the default of its class; None without either."""
    if name in part:
        return part[name]
    cls = class_of(part, registry)
    for base in inspect.getmro(cls) if cls is not None else ():
        parameter = inspect.signature(base).parameters.get(name)
        if parameter is not None:
            return None if parameter.default is parameter.empty else parameter.default
    return None


def is_local(path: str, backend_args: Any) -> bool:
    """Returns whether a path is on a disk of this machine rather than in a store."""
    return isinstance(get_file_backend(path, backend_args=backend_args), LocalBackend)


def quoted(names: Sequence[str], count: int = 10) -> str:
    """Joins names for a message, the first of them where there are many."""
    shown = ", ".join(repr(name) for name in names[:count])
    return f"({shown}, ... {len(names) - count} more)" if len(names) > count else f"({shown})"
