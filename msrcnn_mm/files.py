"""Writes files in one step: a file is there as a whole or as it was before.

A module of its own, since the network's rooms do not import those of results.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any


@contextmanager
def replaced(path: Path, mode: str, **settings: Any) -> Iterator[IO[Any]]:
    """Opens a new file beside ``path`` that takes its place when all is written.

    After an exception the new file is gone, and ``path`` is as it was. Several processes, also of
    several machines, may write one path.

    Args:
        path: Its folder exists.
        mode: ``w`` or ``wb``.
        **settings: Of :func:`open`.

    Raises:
        OSError: The file cannot be written.
    """
    handle, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, mode, **settings) as file:
            yield file
        Path(partial).chmod(0o644)  # mkstemp gives a file that only its owner can read
        Path(partial).replace(path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise
