"""Checks values that come from JSON files: numbers, boxes, ids."""

from math import isfinite
from typing import Any


def is_number(value: Any) -> bool:
    """Returns whether a value is a finite number that NumPy holds in 64 bits."""
    if isinstance(value, float):
        return isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 63


def is_box(value: Any) -> bool:
    """Returns whether a value is a list of four finite numbers."""
    return isinstance(value, list) and len(value) == 4 and all(map(is_number, value))


def whole(value: Any) -> Any:
    """Returns 96 for 96.0, and any other value as it is."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def is_id(value: Any) -> bool:
    """Returns whether a value can be an id: an integer or text."""
    return isinstance(value, int | str) and not isinstance(value, bool)


def texts(value: Any, name: str) -> list[str]:
    """Returns a value that is a list of texts.

    Raises:
        ValueError: It is none; the message has the name.
    """
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ValueError(f"{name} are not a list of names")
    return value
