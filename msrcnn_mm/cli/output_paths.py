"""Validates output paths before a run starts."""

import argparse
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from msrcnn_mm.errors import UserError


def writable_folder(path: str | Path, option: str) -> Path:
    """Makes a folder and checks that a file can be written in it.

    Args:
        path: The folder.
        option: The option that named it, for the message.

    Returns:
        The folder, ``~`` expanded.

    Raises:
        UserError: A file is in the way, or nothing can be written there.
    """
    folder = Path(path).expanduser()
    probe = folder / f".write-test-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except (FileExistsError, NotADirectoryError) as error:
        raise UserError(f"{option} {path}: a file is in the way; name a folder") from error
    except OSError as error:
        raise UserError(f"{option} {path}: cannot write there: {error.strerror}") from error
    return folder


def add_overwrite(parser: argparse.ArgumentParser, what: str) -> None:
    """Adds ``--overwrite``, which replaces what it says."""
    parser.add_argument("--overwrite", action="store_true", help=f"replace {what}")


def refuse_existing(
    paths: Iterable[Path], overwrite: bool, what: str, option: str | None = None
) -> None:
    """Checks that no file to write exists, unless it is to be overwritten.

    Args:
        paths: The files.
        overwrite: Whether to overwrite them.
        what: What to name instead, for the message.
        option: The option that named them, likewise; None for an argument.

    Raises:
        UserError: One exists.
    """
    found = [path for path in paths if not overwrite and path.expanduser().exists()]
    if found:
        named = f"{option} {found[0]}" if option else str(found[0])
        raise UserError(f"{named}: exists: name another {what}, or add --overwrite")


def refuse_inputs(out: str | Path, option: str, *inputs: str | Path | None) -> None:
    """Checks that a file to write is none of those that are read.

    Args:
        out: The file to write.
        option: The option that named it, for the message.
        *inputs: The files that are read; None is ignored.

    Raises:
        UserError: It is one of these.
    """
    for name in inputs:
        with suppress(OSError, RuntimeError):  # one is no file, or no file's name: an address, say
            if name is not None and Path(out).expanduser().samefile(Path(name).expanduser()):
                raise UserError(
                    f"{option} {out}: is read as well and would be lost; name a new file"
                )
