"""Checkpoints: data is read from them, code never; and they are held against the model.

``torch.load(weights_only=True)`` builds only what is allow-listed, which since torch 2.6 leaves out
every checkpoint that mmengine writes while training: beside tensors it holds ``HistoryBuffer``
objects with their NumPy arrays. NumPy's own functions are no safe addition: ``dtype.__setstate__``
takes its flags from the file, so that an array of integers comes out as one of object pointers.
So each name that such a checkpoint needs stands here for a function or class of ours that rebuilds
plain numbers and nothing else. ``builtins.getattr``, in whose place others let a pickle reach any
attribute, gives the statistics of a ``HistoryBuffer`` and the shapes of a one-cycle schedule.
"""

import os
import pickle
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.error import URLError

import mmengine
import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from mmengine.optim import OneCycleParamScheduler
from mmengine.runner import CheckpointLoader
from mmengine.runner.checkpoint import load_from_http

from .errors import UserError

_FORCE = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
_FORBID = "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"


class CheckpointError(UserError):
    """A checkpoint that cannot be used: unreadable, unsafe, or not this model's."""


class MissingCheckpointError(CheckpointError, FileNotFoundError):
    """A checkpoint file that is not there."""


class _Dtype:
    """Stands for ``numpy.dtype``: a number of a fixed size in one of two byte orders."""

    def __init__(self, code: str, align: bool = False, copy: bool = False) -> None:
        if not isinstance(code, str) or not re.fullmatch(r"[<>=|]?(b1|[iuf][1248]|c(8|16))", code):
            raise pickle.UnpicklingError(f"a NumPy type that is no plain number: {code!r}")
        self.numpy = np.dtype(code)

    def __setstate__(self, state: tuple) -> None:
        if state[1] not in ("<", ">", "=", "|") or any(part is not None for part in state[2:5]):
            raise pickle.UnpicklingError("a NumPy type that is no plain number")
        self.numpy = self.numpy.newbyteorder(state[1])


class _Array(np.ndarray):
    """An array of numbers as it comes out of a checkpoint; it is saved as an ordinary one."""

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, data = state
        if type(dtype) is not _Dtype or type(data) is not bytes:
            raise pickle.UnpicklingError("a NumPy array of something else than numbers")
        values = np.frombuffer(data, dtype.numpy).reshape(shape, order="F" if fortran else "C")
        filled: Any = values.__reduce__()[2]
        super().__setstate__(filled)

    def __reduce__(self) -> Any:
        return self.view(np.ndarray).__reduce__()

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.view(np.ndarray).__reduce_ex__(protocol)


def _array(subtype: type, shape: tuple, typecode: bytes) -> _Array:
    """Stands for ``numpy.core.multiarray._reconstruct``, which makes the empty array to fill."""
    return _Array(0)


def _scalar(dtype: _Dtype, data: bytes) -> Any:
    """Stands for ``numpy.core.multiarray.scalar``."""
    if type(dtype) is not _Dtype or type(data) is not bytes:
        raise pickle.UnpicklingError("a NumPy scalar that is no number")
    (value,) = np.frombuffer(data, dtype.numpy)
    return value


def _no_bytes() -> bytes:
    """Stands for ``builtins.bytes``, which the pickle calls for those of an empty array."""
    return b""


def _no_object(*args: Any) -> None:
    """Stands for a class that the pickle names and has no business to make an object of."""
    raise pickle.UnpicklingError("an object of a class that no checkpoint needs one of")


def _standing_for(path: str, stand_in: Callable) -> Any:
    """The stand-in under the name it stands for, which is how every torch since 2.5 finds it."""
    named: Any = partial(stand_in)
    named.__module__, _, name = path.rpartition(".")
    named.__name__ = named.__qualname__ = name
    return named


_ONE_CYCLE = _standing_for(
    f"{OneCycleParamScheduler.__module__}.{OneCycleParamScheduler.__name__}", _no_object
)

# pickle writes a reference to a method as getattr(class, name)
_METHODS: dict[tuple[Any, Any], Any] = {
    **{(HistoryBuffer, n): getattr(HistoryBuffer, n) for n in ("min", "max", "current", "mean")},
    **{
        (_ONE_CYCLE, n): getattr(OneCycleParamScheduler, n)
        for n in ("_annealing_cos", "_annealing_linear")
    },
}


def _method(owner: Any, name: Any) -> Any:
    """Stands for ``builtins.getattr``."""
    if (owner, name) not in _METHODS:
        raise pickle.UnpicklingError(f"getattr({owner!r}, {name!r})")
    return _METHODS[owner, name]


def _allowed_globals() -> list[Any]:
    """What stands for each name, beyond torch's own list, that mmengine's checkpoints hold."""
    stand_ins: dict[str, Callable] = {
        "builtins.getattr": _method,
        "builtins.bytes": _no_bytes,
        "numpy.dtype": _Dtype,
        "numpy.ndarray": _no_object,  # an argument of _reconstruct
    }
    for module in ("numpy.core.multiarray", "numpy._core.multiarray"):  # NumPy 1 and NumPy 2
        stand_ins |= {f"{module}._reconstruct": _array, f"{module}.scalar": _scalar}
    # torch asks for the types of what it fills as well
    return [
        HistoryBuffer,
        _Array,
        _Dtype,
        _ONE_CYCLE,
        *(_standing_for(path, stand_in) for path, stand_in in stand_ins.items()),
    ]


@contextmanager
def _weights_only() -> Iterator[None]:
    """Forces ``weights_only=True`` on every ``torch.load`` inside, whatever its caller asks for.

    mmengine passes no flag, and ``torch.hub``, through which it loads what it downloads, passes
    ``False``; the variable overrules both, where the opposite one would overrule the default.
    """
    before = {name: os.environ.pop(name, None) for name in (_FORCE, _FORBID)}
    os.environ[_FORCE] = "1"
    try:
        yield
    finally:
        del os.environ[_FORCE]
        os.environ.update({name: value for name, value in before.items() if value is not None})


def load_checkpoint_safely() -> None:
    """Makes mmengine's loader, and through it every run, read data only; again does nothing.

    Raises:
        CheckpointError: from then on, by the loader, where a checkpoint cannot be used.
    """
    if hasattr(CheckpointLoader.load_checkpoint, "__wrapped__"):
        return
    torch.serialization.add_safe_globals(_allowed_globals())
    original = CheckpointLoader.load_checkpoint.__func__

    @wraps(original)
    def load_checkpoint(cls: type, filename: str, *args: Any, **kwargs: Any) -> Any:
        with _weights_only(), _in_one_line(str(filename)):
            checkpoint = original(cls, str(filename), *args, **kwargs)
        if not isinstance(checkpoint, dict):
            raise CheckpointError(
                f"{filename}: holds a {type(checkpoint).__name__} where a checkpoint is a dict "
                "with a state_dict"
            )
        # Runner.resume would run this text, which mmcv 1 wrote, as Python
        if isinstance(checkpoint.get("meta"), dict):
            checkpoint["meta"].pop("config", None)
        return checkpoint

    CheckpointLoader.load_checkpoint = classmethod(load_checkpoint)
    if find_spec("torchvision") is None:
        CheckpointLoader.register_scheme("torchvision://", _load_from_torchvision_url, force=True)


def _load_from_torchvision_url(filename: str, map_location: Any = None) -> Any:
    """Loads torchvision's weights without torchvision: mmengine has their addresses in a file."""
    name = filename.removeprefix("torchvision://")
    urls = mmengine.load(Path(mmengine.__file__).parent / "hub" / "torchvision_0.12.json")
    if name not in urls:
        raise CheckpointError(f"{filename}: unknown to mmengine without torchvision installed")
    return load_from_http(urls[name], map_location=map_location)


def require_file(name: str) -> None:
    """Makes sure, before anything else is done, that a checkpoint's file is there.

    Raises:
        MissingCheckpointError: if not; an address is left to the loader.
    """
    if "://" not in name and not Path(name).expanduser().is_file():
        raise MissingCheckpointError(f"{name}: no such checkpoint file")


@contextmanager
def _in_one_line(filename: str) -> Iterator[None]:
    """Turns what loading raises for a bad checkpoint into one line that names the file."""
    try:
        yield
    except (UserError, torch.OutOfMemoryError):
        raise
    except FileNotFoundError as error:
        raise MissingCheckpointError(f"{filename}: no such checkpoint file") from error
    except (URLError, ConnectionError, TimeoutError) as error:
        raise CheckpointError(f"{filename}: could not be downloaded: {error}") from error
    except pickle.UnpicklingError as error:
        found = re.search(r"GLOBAL (\S+) (?:was not|whose)", str(error))
        if found is None:
            raise _damaged(filename, error) from error
        raise CheckpointError(
            f"{filename}: refused: it holds {found[1]}, and loading that could run code. If you "
            "trust where it comes from, save its weights alone: torch.save(dict(state_dict=...))"
        ) from error
    except KeyError as error:
        if "://" in filename:
            raise CheckpointError(f"{filename}: no such checkpoint: {error}") from error
        raise _damaged(filename, error) from error
    except (RuntimeError, EOFError, OSError, ValueError, TypeError, IndexError) as error:
        raise _damaged(filename, error) from error


def _damaged(filename: str, error: Exception) -> CheckpointError:
    """What to say of a file that cannot be read at all."""
    # torch's own many lines begin with advice to switch the protection off
    lines = [line for line in str(error).splitlines() if line and "documentation" not in line]
    reason = lines[-1].partition(". ")[0] if lines else type(error).__name__
    return CheckpointError(
        f"{filename}: is no checkpoint of torch, or a damaged one ({reason}): copy or save it again"
    )
