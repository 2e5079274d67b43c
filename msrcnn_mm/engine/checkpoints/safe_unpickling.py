"""Extends the allow-list of ``torch.load(weights_only=True)`` by mmengine's checkpoints.

mmengine's training checkpoints hold ``HistoryBuffer`` objects with NumPy arrays, which torch does
not allow. Allowing the classes themselves is not safe. A pickle calls what it may name in any
order, with any arguments, and sets the state of any result, also of torch's own ``OrderedDict``:

- ``dtype.__setstate__`` takes its flags from the file: integers become object pointers;
- ``ndarray(shape, "O", bytes)`` does so at once, and ``ndarray(shape)`` shows what the heap holds;
- ``HistoryBuffer(values)`` calls ``np.array``, as does arithmetic with an array, and that follows
  an ``__array_interface__`` among the attributes of a value to any address;
- ``getattr`` reaches everything.

Each name therefore has a stand-in here: a function or class that rebuilds plain numbers, once, from
values of exactly the types that mmengine writes. Torch's own list is taken as it is.
"""

import pickle
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from mmengine.optim import OneCycleParamScheduler


def _named(path: str, stand_in: Any) -> Any:
    """Gives a stand-in the name it stands for; every torch since 2.5 finds it by that."""
    stand_in.__module__, _, name = path.rpartition(".")
    stand_in.__name__ = stand_in.__qualname__ = name
    return stand_in


def _path(original: type) -> str:
    return f"{original.__module__}.{original.__qualname__}"


class _Dtype:
    """Stands for ``numpy.dtype``: a number of a fixed size in one of two byte orders."""

    def __init__(self, code: str, align: bool = False, copy: bool = False) -> None:
        if type(code) is not str or not re.fullmatch(r"[<>=|]?(b1|[iuf][1248]|c(8|16))", code):
            raise pickle.UnpicklingError(f"a NumPy type that is no plain number: {code!r}")
        self.numpy = np.dtype(code)

    def __setstate__(self, state: Any) -> None:
        order: Any = state[1] if type(state) is tuple else None
        if (
            type(order) is not str
            or order not in ("<", ">", "=", "|")
            or any(part is not None for part in state[2:5])
        ):
            raise pickle.UnpicklingError("a NumPy type that is no plain number")
        self.numpy = self.numpy.newbyteorder(order)  # type: ignore[arg-type]

    def values(self, data: Any) -> np.ndarray:
        """Returns the numbers that the bytes hold."""
        if type(data) is not bytes:
            raise pickle.UnpicklingError("NumPy's numbers in something else than bytes")
        # NumPy counts on its booleans being 0 or 1 where it reserves memory for them
        if self.numpy.kind == "b" and data.strip(b"\0\1"):
            raise pickle.UnpicklingError("a boolean that is neither true nor false")
        return np.frombuffer(data, self.numpy)


class _Array(np.ndarray):
    """An array of numbers read from a checkpoint; it is saved as an ordinary one."""

    filled = False

    def __new__(cls, *args: Any) -> "_Array":
        raise pickle.UnpicklingError("an array made in another way than NumPy's pickles do")

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, data = state
        if type(dtype) is not _Dtype or type(shape) is not tuple or {*map(type, shape)} - {int}:
            raise pickle.UnpicklingError("a NumPy array of something else than numbers")
        if self.filled:  # a tensor may share the memory, which would be freed
            raise pickle.UnpicklingError("a NumPy array that is filled twice")
        self.filled = True
        values = dtype.values(data).reshape(shape, order="F" if fortran else "C")
        filled: Any = values.__reduce__()[2]
        super().__setstate__(filled)

    def __reduce__(self) -> Any:
        return self.view(np.ndarray).__reduce__()

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.view(np.ndarray).__reduce_ex__(protocol)


def _array(subtype: Any, shape: Any, typecode: Any) -> _Array:
    """Stands for ``numpy.core.multiarray._reconstruct``, which makes the empty array to fill."""
    return np.ndarray.__new__(_Array, 0)


def _scalar(dtype: Any, data: Any) -> Any:
    """Stands for ``numpy.core.multiarray.scalar``."""
    if type(dtype) is not _Dtype:
        raise pickle.UnpicklingError("a NumPy scalar that is no number")
    (value,) = dtype.values(data)
    return value


def _no_bytes() -> bytes:
    """Stands for ``builtins.bytes``, which a pickle calls for the bytes of an empty array."""
    return b""


def _no_object(*args: Any) -> None:
    """Stands for the constructor of a class of which no checkpoint holds an object."""
    raise pickle.UnpicklingError("an object of a class that no checkpoint needs one of")


def _never_made(original: type) -> Any:
    """Stands for a class that is only named."""
    return _named(_path(original), lambda *args: _no_object(*args))


_ONE_CYCLE = _never_made(OneCycleParamScheduler)


class _Method:
    """Stands for a method; it cannot be called, since a function of torch calls its arguments.

    ``restore_methods`` replaces it by the method; saved before that, it is saved as the method.
    """

    def __init__(self, owner: type, name: str) -> None:
        self.owner = owner
        self.name = name

    def __reduce__(self) -> tuple:
        return getattr, (self.owner, self.name)


class _History:
    """Stands for ``HistoryBuffer``, and becomes one when it gets the state of one."""

    def __setstate__(self, state: Any) -> None:
        if type(state) is not dict:
            raise pickle.UnpicklingError("a HistoryBuffer that is none")
        kept = dict(state)
        methods = kept.pop("statistics_methods", {})  # the four that every HistoryBuffer has
        if (
            kept.keys() != {"max_length", "_log_history", "_count_history"}
            or type(kept["max_length"]) is not int
            or type(methods) is not dict
            or any(type(m) is not _Method or m.owner is not HistoryBuffer for m in methods.values())
        ):
            raise pickle.UnpicklingError("a HistoryBuffer that is none")
        for key in ("_log_history", "_count_history"):
            values = kept[key]
            if type(values) is not _Array or values.ndim != 1 or values.dtype.kind not in "biuf":
                raise pickle.UnpicklingError("a HistoryBuffer of something else than numbers")
            kept[key] = np.array(values, subok=False)
        if len(kept["_log_history"]) != len(kept["_count_history"]):
            raise pickle.UnpicklingError("a HistoryBuffer with values that are not counted")
        self.__class__ = HistoryBuffer
        HistoryBuffer.__setstate__(self, kept)


_named(_path(HistoryBuffer), _History)

# pickle writes a reference to a method as getattr(class, name)
_METHODS: dict[tuple[Any, Any], tuple[type, str]] = {
    **{(_History, name): (HistoryBuffer, name) for name in ("min", "max", "current", "mean")},
    **{
        (_ONE_CYCLE, name): (OneCycleParamScheduler, name)
        for name in ("_annealing_cos", "_annealing_linear")
    },
}


def _method(owner: Any, name: Any) -> Any:
    """Stands for ``builtins.getattr``."""
    if type(name) is not str or (owner, name) not in _METHODS:
        raise pickle.UnpicklingError(f"getattr({owner!r}, {name!r})")
    return _Method(*_METHODS[owner, name])


def allowed_globals() -> list[Any]:
    """Returns the stand-ins for what mmengine's checkpoints hold beyond torch's own list."""
    stand_ins: dict[str, Callable] = {"builtins.getattr": _method, "builtins.bytes": _no_bytes}
    for module in ("numpy.core.multiarray", "numpy._core.multiarray"):  # NumPy 1 and NumPy 2
        stand_ins |= {f"{module}._reconstruct": _array, f"{module}.scalar": _scalar}
    stand_ins["numpy.dtype"] = _Dtype
    return [
        # torch asks for the types of what it fills as well
        _Array,
        _Dtype,
        _History,
        _ONE_CYCLE,
        _never_made(np.ndarray),  # an argument of _reconstruct
        *(_named(path, _function(stand_in)) for path, stand_in in stand_ins.items()),
    ]


def _function(stand_in: Callable) -> Callable:
    """A function of its own for each name, since a stand-in may have several."""
    return lambda *args: stand_in(*args)


def restore_methods(loaded: Any) -> None:
    """Replaces the stand-ins of methods, and refuses attributes with special names.

    Torch sets any attribute on an ``OrderedDict``, ``Counter`` or tensor. No honest checkpoint has
    one with a special name, as ``__array_interface__``, which NumPy would follow to an address.

    Raises:
        pickle.UnpicklingError: A value has such an attribute.
    """
    left, seen = [loaded], set()
    while left:
        part = left.pop()
        if id(part) in seen or callable(part):
            continue
        seen.add(id(part))
        attributes = getattr(part, "__dict__", {})
        for name in attributes:
            if type(name) is not str or name.startswith("__"):
                raise pickle.UnpicklingError(f"a {type(part).__name__} with a forged {name}")
        left += attributes.values()
        if isinstance(part, dict):
            for key, value in part.items():
                if type(value) is _Method:
                    part[key] = getattr(value.owner, value.name)
            left += part.keys()
            left += part.values()
        elif isinstance(part, (list, tuple, set)) and not isinstance(part, torch.Size):
            left += part
