"""Writing of files in one step: a file is there as a whole or as it was before."""

import os
from contextlib import suppress
from pathlib import Path

from mmengine.fileio import LocalBackend, register_backend

from msrcnn_mm.errors import CheckpointWriteError


class AtomicLocalBackend(LocalBackend):
    """Writes bytes, those of checkpoints above all, so that no kill leaves a part of a file.

    mmengine saves checkpoints through the backend of the name ``local``.
    """

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Writes a file beside ``filepath``, has the disk store it, and renames it.

        Raises:
            CheckpointWriteError: It cannot be written. What was there before is whole.
        """
        path = Path(filepath)
        if path.exists() and not path.is_file():  # a pipe or a device
            super().put(obj, filepath)
            return
        path = path.resolve()  # a link stays one
        part = path.with_name(f"{path.name}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as file:
                file.write(obj)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except OSError as error:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            raise CheckpointWriteError(
                f"{filepath}: cannot be written ({error.strerror}): make room on the disk, or the "
                "folder writable; earlier checkpoints are whole, and --resume goes on from the last"
            ) from error


def register_atomic_backend() -> None:
    """Replaces mmengine's backend of local files; a second call does nothing new."""
    register_backend("local", AtomicLocalBackend, force=True, prefixes="")
