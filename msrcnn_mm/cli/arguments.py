"""Argument parsing, and the exit of a command, for all commands."""

import argparse
import math
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from msrcnn_mm.errors import UnrecognizedError, UserError, one_line


def command_line() -> list[str]:
    """Returns the words behind ``python`` with which this process was started."""
    script, *words = sys.argv
    if Path(script).parts[-2:] == ("msrcnn_mm", "__main__.py"):
        return ["-m", "msrcnn_mm", *words]
    return [script, *words]


class OneLineParser(argparse.ArgumentParser):
    """A parser of the command line whose errors are one line.

    Args:
        **kwargs: Those of ``argparse.ArgumentParser``.
    """

    def __init__(self, **kwargs: Any) -> None:
        started = command_line()
        name = Path(started[0]).name
        if started[:2] == ["-m", "msrcnn_mm"]:
            name = " ".join(["python", *started[:3]])
        super().__init__(**{"prog": name, **kwargs})

    def error(self, message: str) -> NoReturn:
        """Raises a :class:`UserError` instead of printing argparse's usage text."""
        raise UserError(f"{message} (see {self.prog} --help)")


def add_inputs(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments RESULTS.json and ANNOTATIONS.json, which are paths."""
    for name, what in (("results", "results file"), ("annotations", "annotations")):
        metavar = f"{name.upper()}.json"
        parser.add_argument(name, metavar=metavar, type=Path, help=f"{what} in COCO's format")


def number(text: str) -> float:
    """Converts the value of an option to a number; infinities are allowed, ``nan`` is not.

    Raises:
        ValueError: It is no number; the parser reports it with the option's name.
    """
    value = float(text)
    if math.isnan(value):
        raise ValueError(text)
    return value


def unit_number(text: str) -> float:
    """Converts the value of an option to a number in [0, 1].

    Raises:
        argparse.ArgumentTypeError: It is none; the parser reports it with the option's name.
    """
    return _number_in(text, lambda value: 0 <= value <= 1, "a number in [0, 1]")


def seconds(text: str) -> float:
    """Converts the value of an option to a finite number >= 0.

    Raises:
        argparse.ArgumentTypeError: It is none; the parser reports it with the option's name.
    """
    return _number_in(text, lambda value: 0 <= value < math.inf, "a number >= 0")


def _number_in(text: str, fits: Callable[[float], bool], wanted: str) -> float:
    """Converts a text to a number that fits, NaN excluded."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not fits(value):
        raise argparse.ArgumentTypeError(f"must be {wanted}, not {text}")
    return value


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Ends the process with ``error: MESSAGE`` on stderr and status 2 on a :class:`UserError`.

    Bad input thus shows no traceback, and a defect of the package does. A failure of unknown cause
    shows both. An interruption from the keyboard ends the process with status 130, a closed output
    with 141.
    """
    try:
        yield
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # what reads the output has ended, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for Python's last flush
        sys.exit(141)
    except UserError as error:
        print(f"error: {one_line(str(error))}", file=sys.stderr)
        if isinstance(error, UnrecognizedError):
            traceback.print_exception(error.__cause__)
        sys.exit(2)


def split_pair(text: str, what: str) -> tuple[str, str]:
    """Reads an option's ``A=B``.

    Args:
        text: The option's value.
        what: Its two sides, for the message: ``class names``.

    Raises:
        argparse.ArgumentTypeError: A side is missing.
    """
    one, equals, other = text.partition("=")
    if not (one and equals and other):
        raise argparse.ArgumentTypeError(f"must be two {what}, A=B, not {text!r}")
    return one, other
