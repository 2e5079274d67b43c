"""Checks of settings that several modules have."""

from typing import Any

from msrcnn_mm.errors import SettingError


def require_flag(setting: str, value: Any) -> None:
    """Makes sure that a setting is True or False.

    Raises:
        SettingError: if it is neither, naming the setting.
    """
    if not isinstance(value, bool):
        raise SettingError(f"{setting}={value!r} is neither True nor False")


def require_whole(setting: str, value: Any, least: int) -> None:
    """Makes sure that a setting is a whole number from the least one on.

    Raises:
        SettingError: if it is not, naming the setting.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise SettingError(f"{setting}={value!r} is no whole number from {least} on")
