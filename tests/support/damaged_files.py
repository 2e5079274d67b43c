"""Damages valid JSON files as strangers, cut-off copies and broken tools do."""

import json
from typing import Any

from hypothesis import strategies as st

HUGE = [10**9, 2**31, 2**63, 10**30, 10**400, -(10**30)]
STRANGE: list[Any] = [
    *(None, True, False, 0, -1, 1, 0.5, 96.0, 1e308, -1e308, 1e-320),
    *(float("nan"), float("inf"), float("-inf"), *HUGE),
    *("", "1", "\ud800", "\0", "../../x.png", "<script>", "P" * 300, "0", "é"),
    *([], {}, [[]], [{}], [None], [0] * 4, [1e308] * 4, [10**9, 10**9], [[0, 0], [1, 1], [2, 0]]),
    {"size": [10**9, 10**9], "counts": [10**18]},
    {"size": [10**9, 10**9], "counts": "0"},
    {"size": [0, 0], "counts": []},
]


def places(value: Any, path: tuple = ()) -> list[tuple]:
    """Returns the path of every part of a value, its own first."""
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    return [path, *(place for key, part in items for place in places(part, (*path, key)))]


def changed(value: Any, path: tuple, change: Any) -> Any:
    if not path:
        return change(value)
    copy = dict(value) if isinstance(value, dict) else list(value)
    key, *rest = path
    if rest:
        copy[key] = changed(copy[key], tuple(rest), change)
        return copy
    new = change(copy[key])
    if new is REMOVED:
        del copy[key]
    else:
        copy[key] = new
    return copy


REMOVED = object()


@st.composite
def damaged_values(draw: st.DrawFn, valid: Any) -> Any:
    """Draws a value with one to three parts removed or of another kind."""
    value = valid
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(places(value)[1:] or [()]))
        if path and draw(st.integers(0, 4)) == 0:
            value = changed(value, path, lambda _: REMOVED)
        else:
            strange = draw(st.sampled_from(STRANGE) | st.integers() | st.floats() | st.text())
            value = changed(value, path, lambda _, strange=strange: strange)
    return value


@st.composite
def damaged_bytes(draw: st.DrawFn, valid: bytes) -> bytes:
    """Draws bytes that are cut off, or have some flipped, removed, put in or doubled."""
    raw = bytearray(valid)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(len(raw) - 1, 0)))
        kind = draw(st.sampled_from(("cut", "flip", "remove", "insert", "double")))
        if kind == "cut":
            del raw[place:]
        elif kind == "flip" and raw:
            raw[place] ^= 1 << draw(st.integers(0, 7))
        elif kind == "remove":
            del raw[place : place + draw(st.integers(1, 20))]
        elif kind == "insert":
            raw[place:place] = draw(st.binary(min_size=1, max_size=4))
        else:
            end = place + draw(st.integers(1, 40))
            raw[place:place] = raw[place:end]
    return bytes(raw)


def damaged_files(valid: Any) -> st.SearchStrategy[bytes]:
    """Draws files of damaged values and damaged files of a valid one."""
    text = json.dumps(valid).encode()
    values = damaged_values(valid).map(lambda value: json.dumps(value).encode())
    return damaged_bytes(text) | values
