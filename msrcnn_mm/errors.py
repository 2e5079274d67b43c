"""Errors that the user can correct, and warnings."""

import sys
from collections.abc import Callable, Sequence


class UserError(Exception):
    """An error that the user can correct: one line that names the thing and the remedy."""


class SettingError(UserError, ValueError):
    """A value that a setting of a config cannot have."""


class CheckpointError(UserError):
    """A checkpoint that cannot be used: it is unreadable, unsafe, or of another model."""


class MissingCheckpointError(CheckpointError, FileNotFoundError):
    """A checkpoint file that does not exist."""


class CheckpointWriteError(CheckpointError, OSError):
    """A checkpoint that cannot be written."""


class UnrecognizedError(UserError):
    """A failure of unknown cause; the commands print its traceback below the line."""


def first_names(
    names: Sequence[object], count: int = 3, form: Callable[[object], str] = str
) -> str:
    """Joins the first names for a message and says how many follow; ``none`` without any."""
    rest = f" and {len(names) - count} more" if len(names) > count else ""
    return ", ".join(map(form, names[:count])) + rest or "none"


def warn(message: str) -> None:
    """Prints a warning on stderr about something that is allowed and perhaps not meant."""
    print(f"warning: {message}", file=sys.stderr, flush=True)
