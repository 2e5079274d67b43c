"""Argument parsing and the end of a command, shared by all commands."""

import argparse
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from msrcnn_mm.errors import UserError


class OneLineParser(argparse.ArgumentParser):
    """A parser of the command line whose mistakes are one line."""

    def error(self, message: str) -> NoReturn:
        """Raises a :class:`UserError` in place of argparse's usage text."""
        raise UserError(f"{message} (see {self.prog} --help)")


def number(text: str) -> float:
    """The ``type`` of an option that is a number; infinities are numbers, ``nan`` is none.

    Raises:
        ValueError: It is none, which the parser reports with the option's name.
    """
    value = float(text)
    if math.isnan(value):
        raise ValueError(text)
    return value


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Ends the process with ``error: MESSAGE`` on stderr and status 2 on a :class:`UserError`.

    Every tool wraps its ``main`` in it, so that bad input never shows a traceback, while a defect
    of our own still does. An interruption from the keyboard ends it quietly, with status 130.
    """
    try:
        yield
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        sys.exit(130)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
