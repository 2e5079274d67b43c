"""Errors that the user can correct, and warnings."""

import sys


class UserError(Exception):
    """Something the user can put right: the message names the thing and the remedy, in one line."""


class SettingError(UserError, ValueError):
    """A value that a setting of a config cannot have."""


def warn(message: str) -> None:
    """Tells the user of something that is allowed and perhaps not meant."""
    print(f"warning: {message}", file=sys.stderr, flush=True)
