"""Checks of the settings that a config gives to hosts and scorers."""

from collections.abc import Sequence
from typing import Any

from msrcnn_mm.errors import SettingError


def require_flag(setting: str, value: Any) -> None:
    """Raises ``SettingError`` if a setting is not a bool."""
    if not isinstance(value, bool):
        raise SettingError(f"{setting}={value!r} must be True or False")


def require_integer(setting: str, value: Any, least: int) -> None:
    """Raises ``SettingError`` if a setting is not an integer, or is below ``least``."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise SettingError(f"{setting}={value!r} must be an integer >= {least}")


def require_text(setting: str, value: Any) -> None:
    """Raises ``SettingError`` if a setting is no string."""
    if not isinstance(value, str):
        raise SettingError(f"{setting}={value!r} must be a string")


def require_choice(setting: str, value: Any, choices: Sequence[str]) -> None:
    """Raises ``SettingError`` if a setting is none of the choices."""
    if value not in choices:
        raise SettingError(f"{setting}={value!r} must be one of {', '.join(choices)}")
