"""Keeps the images that a run has finished in a file, so that a run that was killed can go on."""

import hashlib
import json
import os
import sys
import time
from collections.abc import Iterator, KeysView, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO
from weakref import WeakSet

import msgspec

from msrcnn_mm.errors import UserError, warn

if sys.platform != "win32":
    import fcntl

_BETWEEN_SYNCS = 1.0  # seconds of work that a power cut may take

Record = dict[str, Any]
"""A finished image, with its ``id``. That of ``predict`` has ``file_name`` and either ``width``,
``height``, ``notes`` and ``detections``, rows of a results file, or ``skipped``, the reason; that
of ``test`` has ``sample``."""


class _Line(msgspec.Struct):
    """The types of a record."""

    id: int
    file_name: str | None = None
    skipped: str | None = None
    sample: dict[str, Any] | None = None
    width: int = 0
    height: int = 0
    notes: list[str] | None = None
    detections: list[dict[str, Any]] | None = None


class Journal:
    """A file to which each finished image is appended as a line of JSON; one process has it open.

    Its first line holds the settings of the run. A line that a kill cut off is dropped; of others
    that cannot be read a warning has the number, and their images are not finished. Of several
    lines of an image the first counts. The file is locked until it is closed, which a kill does
    too; Windows and some network drives have no such lock.

    It is a context manager, which closes the file and removes it where no image is finished.

    Args:
        path: The file.
        settings: All on which predictions and pictures depend, by the name for messages.
        overwrite: Whether to start anew where the file exists.

    Attributes:
        path: As given.
        is_new: Whether there was no file, or one of no run, or it is overwritten.

    Raises:
        UserError: Another process has the file open, or the file is another run's or cannot be read
            or made.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any], overwrite: bool = False) -> None:
        self.path = path
        self.is_new = False
        self._header = (json.dumps({"settings": settings}) + "\n").encode()
        self._places: dict[int, int] = {}
        self._next_sync = 0.0
        self._file = _locked(path)
        _OPEN.add(self._file)
        try:
            if overwrite:
                self._file.truncate(0)
            self._continue(settings)
        except BaseException:
            self._file.close()
            raise

    @property
    def done(self) -> KeysView[int]:
        """The ids of the finished images."""
        return self._places.keys()

    def _continue(self, settings: Mapping[str, Any]) -> None:
        unread = 0
        try:
            self._file.seek(0)
            first = self._file.readline()
            if not first.endswith(b"\n"):  # new, or killed as it began
                self.is_new = True
                self._file.truncate(0)
                return
            self._compare(json.loads(first)["settings"], settings)
            end = self._file.tell()
            for line in self._file:
                if not line.endswith(b"\n"):
                    break
                number = _id_of(line)
                if number is None:
                    unread += 1
                else:
                    self._places.setdefault(number, end)
                end += len(line)
            self._file.truncate(end)
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise UserError(
                f"{self.path}: cannot be read as the images of an unfinished run: start anew with"
                " --overwrite"
            ) from error
        if unread:
            warn(
                f"{self.path}: lines that cannot be read: {unread}; they are left out, and their"
                " images predicted again"
            )

    def _compare(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        differing = [name for name in old if name in new and old[name] != new[name]]
        differing = differing or sorted(old.keys() ^ new.keys())
        if differing:
            raise UserError(
                f"{self.path}: is of an unfinished run with other settings"
                f" ({', '.join(differing)}): give that run's to finish it, or start anew with"
                " --overwrite"
            )

    def append(self, records: Sequence[Record]) -> None:
        """Appends finished images.

        Raises:
            UserError: The file cannot be written.
        """
        places = {}
        try:
            if not self._file.seek(0, os.SEEK_END):
                self._file.write(self._header)
            for record in records:
                places[record["id"]] = self._file.tell()
                self._file.write((json.dumps(record) + "\n").encode())
            self._file.flush()  # a kill loses nothing from here on
            if time.monotonic() >= self._next_sync:
                os.fsync(self._file.fileno())
                self._next_sync = time.monotonic() + _BETWEEN_SYNCS
        except OSError as error:
            raise UserError(f"cannot write {self.path}: {error.strerror}") from error
        self._places |= places

    def __iter__(self) -> Iterator[Record]:
        """Yields the finished images in the order of their ids."""
        yield from map(self.read, sorted(self._places))

    def read(self, number: int) -> Record:
        """Returns a finished image by its id."""
        self._file.seek(self._places[number])
        record: Record = json.loads(self._file.readline())
        return record

    def __enter__(self) -> "Journal":
        """Returns itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Closes the file, and removes one that has no finished image."""
        if not self._file.closed and not self._places:
            self.remove()
        self._close()

    def remove(self) -> None:
        """Removes the file, and closes it."""
        self.path.unlink(missing_ok=True)
        self._close()

    def _close(self) -> None:
        """Closes the file; what a full disk did not take, of which :meth:`append` told, is lost."""
        with suppress(OSError):
            self._file.close()


_OPEN: WeakSet[BinaryIO] = WeakSet()


def _leave_in_fork() -> None:
    """Takes the files from a forked process; a worker would keep the lock of a killed parent.

    Python's ``close`` would move the place at which the parent reads, which the two share.
    """
    null = os.open(os.devnull, os.O_RDWR)
    for file in _OPEN:
        if not file.closed:
            os.dup2(null, file.fileno(), inheritable=False)
    os.close(null)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_in_fork)


def _locked(path: Path) -> BinaryIO:
    """Opens a file, which is made where it is none, and locks it until it is closed.

    Raises:
        UserError: Another process has locked it, or it cannot be opened.
    """
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("a+b")
        except OSError as error:
            raise UserError(f"cannot write {path}: {error.strerror}") from error
        if sys.platform == "win32":
            return file
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.close()
            raise UserError(
                f"{path}: another process is predicting into this folder: wait for its end, or name"
                " another place by --out"
            ) from error
        except OSError:  # a file system without locks
            return file
        try:
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        except FileNotFoundError:
            pass
        file.close()  # the other process has removed it since it was opened


def _id_of(line: bytes) -> int | None:
    """Returns the id of a line's record; None where the line is no record."""
    try:
        found = msgspec.convert(json.loads(line), _Line)
    except ValueError:
        return None
    if found.sample is not None:
        return found.id
    predicted = found.width and found.height and None not in (found.notes, found.detections)
    finished = predicted or found.skipped is not None
    return found.id if finished and found.file_name is not None else None


def file_hash(path: str) -> str:
    """Returns a hash of a file's content; of an address itself."""
    if "://" in path:
        return text_hash(path)
    with Path(path).expanduser().open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def text_hash(text: str) -> str:
    """Returns a hash of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]
