"""Extends the allow-list of ``torch.load(weights_only=True)`` by mmengine's checkpoints.

mmengine's training checkpoints hold ``HistoryBuffer`` objects with NumPy arrays, which torch does
not allow. Allowing the classes themselves is not safe. A pickle calls what it may name in any
order, with any arguments, and sets the state of any result, also of torch's own ``OrderedDict``:

- ``dtype.__setstate__`` takes its flags from the file: integers become object pointers;
- ``ndarray(shape, "O", bytes)`` does so at once, and ``ndarray(shape)`` shows what the heap holds;
- ``HistoryBuffer(values)`` calls ``np.array``, as does arithmetic with an array, and that follows
  an ``__array_interface__`` among the attributes of a value to any address;
- ``getattr`` reaches everything.

Each of these names is therefore loaded as a record, which keeps the arguments of the call and does
nothing with them. :func:`restore` replaces the records of the exact form that mmengine and NumPy
write by plain numbers, and refuses all others. Torch's own list is taken as it is.
"""

import pickle
import re
from collections.abc import Callable
from typing import Any

import numpy as np
from mmengine.logging import HistoryBuffer
from mmengine.optim import OneCycleParamScheduler


def _require(holds: bool, refused: str) -> None:
    if not holds:
        raise pickle.UnpicklingError(refused)


class _Record:
    """Records a call in a pickle, and the state of its result; it is saved as that call.

    Attributes:
        original: The function or class that the pickle names.
        build: Makes the value of the call's arguments and state, after checking them.
    """

    original: Any
    build: Callable[[tuple, Any], Any]
    args: tuple = ()
    state: Any = None

    def __init__(self, *args: Any) -> None:
        self.args = args

    def __setstate__(self, state: Any) -> None:
        _require(self.state is None, "an object whose state is set twice")
        self.state = state

    def __reduce__(self) -> tuple:
        classes = {stand_in: stand_in.original for stand_in in (_NDARRAY, _HISTORY, _ONE_CYCLE)}
        args = (classes[arg] if isinstance(arg, type) else arg for arg in self.args)
        return self.original, tuple(args), self.state


def _bytes(args: tuple, state: Any) -> bytes:
    _require(args == (), "bytes of something else than text")
    return b""


def _dtype(args: tuple, state: Any) -> np.dtype:
    """Makes the type of a number: of a fixed size, in one of two byte orders."""
    refused = "a NumPy type that is no plain number"
    _require(type(args[0]) is str, refused)
    _require(bool(re.fullmatch(r"[<>=|]?(b1|[iuf][1248]|c(8|16))", args[0])), refused)
    _, order, *others = (3, "=") if state is None else state
    _require(type(order) is str and order in ("<", ">", "=", "|"), refused)
    _require(all(part is None for part in others[:3]), refused)
    return np.dtype(args[0]).newbyteorder(order)


def _numbers(dtype: Any, data: Any) -> np.ndarray:
    _require(isinstance(dtype, np.dtype) and type(data) is bytes, "NumPy data that are no numbers")
    # NumPy counts on its booleans being 0 or 1 where it reserves memory for them
    _require(dtype.kind != "b" or not data.strip(b"\0\1"), "a boolean that is neither 0 nor 1")
    return np.frombuffer(data, dtype).astype(dtype.newbyteorder("="))


def _array(args: tuple, state: Any) -> np.ndarray:
    _require(type(state) is tuple and type(state[1]) is tuple, "a NumPy array without a shape")
    _, shape, dtype, fortran, data = state
    _require({*map(type, shape)} <= {int}, "a NumPy array without a shape")
    return _numbers(dtype, data).reshape(shape, order="F" if fortran else "C")


def _scalar(args: tuple, state: Any) -> Any:
    (value,) = _numbers(*args)
    return value


def _method(args: tuple, state: Any) -> Any:
    """Returns a method; a pickle refers to it as ``getattr(class, name)``."""
    owner, name = args
    _require(type(name) is str and name in _METHODS.get(owner, ()), f"getattr({owner}, {name})")
    return getattr(owner.original, name)


def _history(args: tuple, state: Any) -> HistoryBuffer:
    refused = "a HistoryBuffer of something else than numbers"
    _require(args == () and type(state) is dict, refused)
    values, counts, length = (
        state.pop(key, None) for key in ("_log_history", "_count_history", "max_length")
    )
    methods = state.pop("statistics_methods", {})  # the four that every HistoryBuffer has
    _require(not state and type(length) is int and type(methods) is dict, refused)
    own = {getattr(HistoryBuffer, name) for name in _METHODS[_HISTORY]}
    _require({*methods.values()} <= own, refused)
    for numbers in (values, counts):
        _require(type(numbers) is np.ndarray and numbers.ndim == 1, refused)
        _require(numbers.dtype.kind in "biuf", refused)
    return HistoryBuffer(values, counts, length)


def _no_object(args: tuple, state: Any) -> None:
    raise pickle.UnpicklingError("an object of a class that no checkpoint needs one of")


def _stand_in(original: Any, build: Callable[[tuple, Any], Any], module: str = "") -> type[_Record]:
    """Makes the class of a name's records; every torch since 2.5 finds it by its own name."""
    names = dict(__module__=module or original.__module__, original=original, build=build)
    return type(original.__name__, (_Record,), names)


_NDARRAY = _stand_in(np.ndarray, _no_object)  # an argument of _reconstruct
_HISTORY = _stand_in(HistoryBuffer, _history)
_ONE_CYCLE = _stand_in(OneCycleParamScheduler, _no_object)
_METHODS = {
    _HISTORY: ("min", "max", "current", "mean"),
    _ONE_CYCLE: ("_annealing_cos", "_annealing_linear"),
}
STAND_INS = (
    *(_NDARRAY, _HISTORY, _ONE_CYCLE),
    _stand_in(getattr, _method),
    _stand_in(bytes, _bytes),  # called for the data of an empty array
    _stand_in(np.dtype, _dtype),
    *(
        _stand_in(value.__reduce__()[0], build, module)
        for module in ("numpy.core.multiarray", "numpy._core.multiarray")  # NumPy 1 and NumPy 2
        for value, build in ((np.zeros(0), _array), (np.float64(0), _scalar))
    ),
)
"""What ``torch.serialization.add_safe_globals`` takes."""


def restore(loaded: Any) -> Any:
    """Replaces the records in what ``torch.load`` returned, and refuses forged attributes.

    Torch sets any attribute on an ``OrderedDict``, ``Counter`` or tensor. mmengine writes none with
    a special name, as ``__array_interface__``, which NumPy would follow to an address.

    Returns:
        The value; dictionaries, lists and sets are changed in place.

    Raises:
        pickle.UnpicklingError: A record has another form, or a value such an attribute.
    """
    done: dict[int, tuple[Any, Any]] = {}  # by id: a part, kept alive, and its replacement

    def replace(part: Any) -> Any:
        if id(part) in done:
            return done[id(part)][1]
        done[id(part)] = part, part
        if isinstance(part, _Record):
            done[id(part)] = part, type(part).build(replace(part.args), replace(part.state))
        elif type(part) is tuple:
            done[id(part)] = part, tuple(map(replace, part))
        elif not callable(part):
            attributes = getattr(part, "__dict__", {})
            for name in attributes:
                forged = type(name) is not str or name.startswith("__")
                _require(not forged, f"a {type(part).__name__} with a forged {name}")
            if attributes:
                replace(attributes)
            if isinstance(part, dict):
                for key, value in [*part.items()]:
                    del part[key]  # a key may be a number of NumPy
                    part[replace(key)] = replace(value)
            elif isinstance(part, list):
                part[:] = map(replace, part)
            elif isinstance(part, set):
                members = [*map(replace, part)]
                part.clear()
                part.update(members)
        return done[id(part)][1]

    return replace(loaded)
