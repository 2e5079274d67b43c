"""Numbers in a checkpoint are restored exactly; forged pickles are refused."""

import copy
import ctypes
import zipfile
from collections import Counter, OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.optim import OneCycleParamScheduler

from msrcnn_mm.engine.checkpoints.loading import register_safe_loaders
from tests.support.checkpoints.pickles import Calls, load, refusal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.pth"


# ---- what mmengine writes


def test_logged_values_come_back_and_go_on(path: Path) -> None:
    history = HistoryBuffer([1.0, 2.0, 6.0], [1, 1, 1])
    torch.save(dict(loss=history), path)
    loaded = load(path)["loss"]
    assert isinstance(loaded, HistoryBuffer)
    loaded.update(7.0)
    assert loaded.data[0].tolist() == [1.0, 2.0, 6.0, 7.0]
    assert loaded.statistics("mean", window_size=4) == 4.0
    assert (loaded.min(), loaded.max(), loaded.current()) == (1.0, 7.0, 7.0)


@pytest.mark.parametrize(
    "value",
    [
        np.float64(2.5),
        np.float32(1.5),
        np.int64(-3),
        np.bool_(True),
        np.complex128(1 + 2j),
        np.arange(6).reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.array([1.5, 2.5], dtype=">f4"),
        np.array([True, False]),
        np.zeros((0, 4)),
        np.array(3.0),
    ],
    ids=repr,
)
def test_numbers_come_back_and_are_saved_as_numpy_saves_them(path: Path, value: Any) -> None:
    torch.save(dict(value=value), path)
    loaded = load(path)["value"]
    np.testing.assert_array_equal(loaded, value)
    assert loaded.dtype == value.dtype.newbyteorder("=")  # NumPy's own pickles do so too
    torch.save(dict(value=loaded), path)
    assert b"msrcnn" not in zipfile.ZipFile(path).read("x/data.pkl")
    np.testing.assert_array_equal(load(path)["value"], value)


@pytest.mark.parametrize("module", ["numpy.core.multiarray", "numpy._core.multiarray"])
def test_arrays_of_both_numpys_load(path: Path, module: str) -> None:
    """NumPy 2 moved the functions that a pickle names."""
    torch.save(dict(a=np.arange(3), s=np.float64(4)), path)
    replace_in_pickle(path, b"numpy._core.multiarray", module.encode())
    loaded = load(path)
    assert loaded["a"].tolist() == [0, 1, 2]
    assert loaded["s"] == 4


def replace_in_pickle(path: Path, old: bytes, new: bytes) -> None:
    with zipfile.ZipFile(path) as archive:
        parts = {info.filename: archive.read(info) for info in archive.infolist()}
    name = next(name for name in parts if name.endswith("data.pkl"))
    assert old in parts[name]
    parts[name] = parts[name].replace(old, new)
    with zipfile.ZipFile(path, "w") as archive:
        for part, content in parts.items():
            archive.writestr(part, content)


def test_allowed_names_are_found_by_torch_2_5(monkeypatch: pytest.MonkeyPatch) -> None:
    """It knows no pairs of a stand-in and a name, only the stand-in's own name."""
    register_safe_loaders()
    allowed: list[Any] = torch.serialization.get_safe_globals()
    names = {f"{g.__module__}.{g.__name__}" for g in allowed}
    assert {"builtins.getattr", "numpy.dtype", "numpy.core.multiarray.scalar"} <= names


# ---- what must not load


@pytest.mark.parametrize(
    "payload",
    [
        Calls(getattr, HistoryBuffer, "__init__"),
        Calls(getattr, HistoryBuffer, "__globals__"),
        Calls(getattr, HistoryBuffer, "__subclasses__"),
        Calls(getattr, torch.Tensor, "__class__"),
        Calls(getattr, [], "append"),
        Calls(np.dtype, "O"),
        Calls(np.dtype, "V8"),
        Calls(np.dtype, [("a", "i8")]),
        Calls(np.ndarray, (3,)),
        np.array([{}], dtype=object),
        np.array(["text"]),
        np.array([(1, 2)], dtype=[("a", "i4"), ("b", "i4")]),
    ],
    ids=lambda payload: None,
)
def test_what_the_stand_ins_do_not_stand_for(path: Path, payload: Any) -> None:
    torch.save(dict(x=payload), path)
    refusal(path)


def test_numpys_own_dtype_would_take_integers_for_pointers(path: Path) -> None:
    """The reason for a stand-in: numpy.dtype itself reads its flags from the file."""
    state = (3, "<", None, None, None, -1, -1, 0x3F)
    forged: Any = np.dtype("i8", False, True)
    forged.__setstate__(state)
    assert forged.hasobject  # an array of it would follow any integer as an address

    class Forged:
        def __reduce__(self) -> tuple:
            return np.dtype, ("i8", False, True), state

    class Array:
        def __reduce__(self) -> tuple:
            empty = np.zeros(0).__reduce__()[0]
            return empty, (np.ndarray, (0,), b"b"), (1, (1,), Forged(), False, b"\x01" * 8)

    torch.save(dict(x=Array()), path)
    loaded = load(path)["x"]
    assert loaded.dtype == np.int64
    assert not loaded.dtype.hasobject
    assert loaded.tolist() == [0x0101010101010101]


# ---- what would read memory

SECRET = ctypes.create_string_buffer(b"in memory, in no file")
RECONSTRUCT: Any = np.zeros(0).__reduce__()[0]
SCALAR: Any = np.float64(1).__reduce__()[0]
REBUILD = torch._tensor._rebuild_from_type_v2  # torch allows it, and it calls what it is given


def disguise(typestr: str = "|u1", where: Any = None) -> dict:
    """Returns attributes by which NumPy takes an object for an array at an address."""
    data = (ctypes.addressof(SECRET), True) if where is None else where
    return dict(__array_interface__=dict(data=data, shape=(2,), typestr=typestr, version=3))


def filled(data: bytes, code: str = "u1", shape: Any = None) -> tuple:
    """Returns the state of an array."""
    return 1, (len(data),) if shape is None else shape, Calls(np.dtype, code), False, data


def history(**changes: Any) -> Calls:
    state = HistoryBuffer([1.0, 2.0], [1, 1]).__getstate__()
    return Calls(HistoryBuffer, state={**state, **changes})


@pytest.mark.parametrize(
    "payload",
    [
        # HistoryBuffer's constructor hands its arguments to np.array
        Calls(HistoryBuffer, [Calls(HistoryBuffer, state=disguise())], [1]),
        Calls(HistoryBuffer, [Calls(OrderedDict, state=disguise())], [1]),
        Calls(HistoryBuffer, [1.0], [1]),
        # so does arithmetic
        Calls(
            REBUILD,
            OneCycleParamScheduler._annealing_cos,
            np.ndarray,
            (Calls(OrderedDict, state=disguise()), np.arange(2.0), 0.5),
            filled(b""),
        ),
        # what waits for a later np.array
        Calls(HistoryBuffer, state=disguise()),
        [(Calls(OrderedDict, state=disguise("|O8", bytes(16))),)],
        dict(dataset_meta=dict(palette=Calls(Counter, state=disguise()))),
        Calls(
            REBUILD,
            torch._utils._rebuild_parameter,
            torch.nn.Parameter,
            (torch.ones(2), False, OrderedDict()),
            disguise(),
        ),
        # arrays made in another way than NumPy's pickles do
        Calls(np.ndarray, (2,), "O", b"A" * 16),
        Calls(np.ndarray, (64,), "u1"),
        Calls(np.ndarray, (4,), "u1", b"ABCD", 0, (1000,)),
        Calls(RECONSTRUCT, np.ndarray, (64,), b"u1"),
        # a tensor may keep the memory that a second filling frees
        Calls(
            REBUILD,
            RECONSTRUCT,
            RECONSTRUCT,
            (np.ndarray, (0,), b"b"),
            filled(b"ab"),
            state=filled(b"c"),
        ),
        # NumPy's buffers are too short for such booleans
        Calls(RECONSTRUCT, np.ndarray, (0,), b"b", state=filled(b"\xff" * 4, "b1")),
        Calls(SCALAR, Calls(np.dtype, "b1"), b"\2"),
        # other types than belong there
        Calls(RECONSTRUCT, np.ndarray, (0,), b"b", state=filled(b"ab", shape=[2])),
        Calls(RECONSTRUCT, np.ndarray, (0,), b"b", state=filled(b"ab", shape=(np.arange(1),))),
        Calls(RECONSTRUCT, np.ndarray, (0,), b"b", state=filled(bytearray(b"ab"))),  # type: ignore[arg-type]
        Calls(np.dtype, "u1", state=(3, np.arange(1), None, None, None)),
        history(_log_history=[1.0, 2.0]),
        history(_log_history=np.ones((2, 2))),
        history(_log_history=np.ones(3)),
        history(_log_history=np.ones(2) * 1j),
        history(_count_history=Calls(OrderedDict, state=disguise())),
        history(max_length="9"),
        history(statistics_methods=dict(mean=1)),
        history(statistics_methods=dict(mean=OneCycleParamScheduler._annealing_cos)),
        history(**disguise()),
    ],
    ids=lambda payload: None,
)
def test_forged_values_are_refused(path: Path, payload: Any) -> None:
    torch.save(dict(state_dict={}, x=payload), path)
    refusal(path)


def test_a_history_that_is_restored_cannot_be_changed_by_the_file(path: Path) -> None:
    """By then it is a HistoryBuffer, which is not allowed, with arrays of its own."""
    torch.save(dict(x=Calls(REBUILD, HistoryBuffer, HistoryBuffer, (), history().state)), path)
    loaded = load(path)["x"]
    assert type(loaded) is HistoryBuffer
    assert {type(values) for values in loaded.data} == {np.ndarray}
    again = Calls(REBUILD, HistoryBuffer, HistoryBuffer, (), history().state, state=disguise())
    torch.save(dict(x=again), path)
    refusal(path)


def test_methods_are_saved_as_such_also_by_who_loads_with_torch(path: Path) -> None:
    method = OneCycleParamScheduler._annealing_cos
    torch.save(dict(m=method, h=history()), path)
    torch.save(torch.load(path, weights_only=True), path)
    loaded = load(path)
    assert loaded["m"] is method
    assert loaded["h"].mean() == 1.5
    assert copy.deepcopy(loaded["h"]).statistics("max") == 2.0
