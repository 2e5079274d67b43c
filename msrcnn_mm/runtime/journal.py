"""Keeps the images that a run has finished in a file, so that a run that was killed can go on."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from msrcnn_mm.errors import UserError

Record = dict[str, Any]
"""A finished image: ``id``, ``file_name`` and either ``width``, ``height``, ``notes`` and
``detections``, rows of a results file, or ``skipped``, the reason."""


class Journal:
    """A file to which each finished image is appended as a line of JSON.

    Its first line holds the settings of the run. A line that a kill cut off is dropped.

    Args:
        path: The file. It is made with the first images.
        settings: All on which predictions and pictures depend, by the name for messages.
        overwrite: Whether to start anew where the file exists.

    Attributes:
        path: As given.
        done: The number of finished images.

    Raises:
        UserError: The file exists and is another run's or cannot be read.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any], overwrite: bool = False) -> None:
        self.path = path
        self._header = json.dumps({"settings": settings}) + "\n"
        self.done = 0
        if overwrite:
            path.unlink(missing_ok=True)
        if path.exists():
            self._continue(settings)

    def _continue(self, settings: Mapping[str, Any]) -> None:
        try:
            with self.path.open("rb+") as file:
                first = file.readline()
                if not first.endswith(b"\n"):  # killed as it began
                    file.truncate(0)
                    return
                self._compare(json.loads(first)["settings"], settings)
                end = file.tell()
                for line in file:
                    if line.endswith(b"\n"):
                        end += len(line)
                        self.done += 1
                file.truncate(end)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise UserError(
                f"{self.path}: cannot be read as the images of an unfinished run: start anew with"
                " --overwrite"
            ) from error

    def _compare(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        differing = [name for name in {**old, **new} if old.get(name) != new.get(name)]
        if differing:
            raise UserError(
                f"{self.path}: is of an unfinished run with other settings"
                f" ({', '.join(differing)}): give that run's to finish it, or start anew with"
                " --overwrite"
            )

    def append(self, records: Sequence[Record]) -> None:
        """Appends finished images, in the order of the inputs.

        Raises:
            UserError: The file cannot be written.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                if not file.tell():
                    file.write(self._header)
                file.writelines(json.dumps(record) + "\n" for record in records)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise UserError(f"cannot write {self.path}: {error.strerror}") from error
        self.done += len(records)

    def __iter__(self) -> Iterator[Record]:
        """Yields the finished images."""
        if not self.done:
            return
        with self.path.open(encoding="utf-8") as file:
            next(file)
            for line in file:
                yield json.loads(line)

    def remove(self) -> None:
        """Removes the file."""
        self.path.unlink(missing_ok=True)


def file_hash(path: str) -> str:
    """Returns a hash of a file's content; of an address itself."""
    if "://" in path:
        return text_hash(path)
    with Path(path).expanduser().open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def text_hash(text: str) -> str:
    """Returns a hash of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]
