"""Leaves the masks of a results file in the file, and reads those that are asked for."""

import os
import shutil
import stat
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from msrcnn_mm.errors import UserError

from .json_files import UnreadError, check_beginning, parse
from .lazy_rles import LazyRles
from .packed_rles import PackedRles
from .rle import Ints
from .segmentations import as_rle, read_segmentation

_APART = 1 << 14  # bytes between two rows up to which both are read at once


class _Rle(msgspec.Struct, gc=False):
    size: tuple[int, int]
    counts: str


class _Masked(msgspec.Struct, gc=False):
    segmentation: _Rle


_MASKED = msgspec.json.Decoder(list[_Masked])

_RAW = msgspec.json.Decoder(list[msgspec.Raw])


class RowFile:
    """A file that stays open, so that its rows can be read again, by forked processes too.

    What is no regular file, such as a pipe, is copied into a temporary one.

    Args:
        path: The file.

    Attributes:
        path: The file.
        size: In bytes.

    Raises:
        UserError: It cannot be read, or :func:`.check_beginning` refuses it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._number = os.open(path, os.O_RDONLY)
            weakref.finalize(self, os.close, self._number)
            if not stat.S_ISREG(os.fstat(self._number).st_mode):
                self._copy()
        except OSError as error:
            raise UserError(f"cannot read {path}: {error.strerror}") from error
        self._state = self._now()
        self.size = self._state[0]
        check_beginning(self.read(0, min(self.size, 8)), path)

    def read(self, start: int, end: int) -> bytes:
        """Reads the bytes from ``start`` to ``end``.

        Raises:
            UserError: The file has been written to since it was opened, or cannot be read.
        """
        parts: list[bytes] = []
        try:
            while start < end and (part := os.pread(self._number, end - start, start)):
                parts.append(part)
                start += len(part)
        except OSError as error:
            raise UserError(f"cannot read {self.path}: {error.strerror}") from error
        if start < end or self._now() != self._state:
            raise UserError(
                f"{self.path} was written to while it was read: start again when it is complete"
            )
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _copy(self) -> None:
        with tempfile.TemporaryFile() as copy, open(self._number, "rb", closefd=False) as given:
            shutil.copyfileobj(given, copy)
            copy.flush()
            os.dup2(copy.fileno(), self._number, inheritable=False)

    def _now(self) -> tuple[int, int]:
        found = os.fstat(self._number)
        return found.st_size, found.st_mtime_ns


@dataclass(frozen=True, eq=False)
class FileRles(LazyRles):
    """D compressed RLEs that are the masks of rows of a results file.

    Attributes:
        file: The file, whose rows have been checked.
        starts: (D,), first byte of each row.
        lengths: (D,), bytes of each row.
        sizes: (D, 2), heights and widths.
    """

    file: RowFile
    starts: Ints
    lengths: Ints
    sizes: Ints

    def take(self, places: Ints) -> list[dict[str, Any]]:
        """Reads the RLEs at these places.

        Raises:
            UserError: See :meth:`RowFile.read`.
        """
        starts = self.starts[places]
        order = np.argsort(starts, kind="stable")
        rows = self._rows(starts[order], (starts + self.lengths[places])[order])
        sizes = self.sizes[places].tolist()
        rles: list[Any] = [None] * len(places)
        text = b"".join((b"[", b",".join(rows), b"]"))
        try:
            masks = [row.segmentation.counts for row in parse(text, _MASKED)]
        except UnreadError:  # polygons, or runs as numbers
            values = [row["segmentation"] for row in parse(text)]
            for place, value in zip(order.tolist(), values, strict=True):
                mask, _ = read_segmentation(value, *sizes[place])
                rles[place] = as_rle(mask, *sizes[place])
            return rles
        for place, counts in zip(order.tolist(), masks, strict=True):
            rles[place] = {"size": sizes[place], "counts": counts}
        return rles

    def select(self, places: Ints) -> "FileRles":
        """Returns the RLEs at these places of the same file."""
        columns = (self.starts[places], self.lengths[places], self.sizes[places])
        return FileRles(self.file, *columns)

    @classmethod
    def join(cls, parts: Sequence["FileRles"]) -> LazyRles:
        """Joins RLEs of the same file; those of several files are read."""
        if any(part.file is not parts[0].file for part in parts):
            return PackedRles.of([rle for part in parts for rle in part])
        columns = zip(*((part.starts, part.lengths, part.sizes) for part in parts), strict=True)
        return cls(parts[0].file, *map(np.concatenate, columns))

    def __reduce__(self) -> Any:
        return PackedRles.of, ([*self],)  # another process may not have the file

    def _rows(self, starts: Ints, ends: Ints) -> Iterator[bytes]:
        """Yields the JSON of rows, given in the file's order."""
        cuts = np.flatnonzero(starts[1:] - ends[:-1] > _APART) + 1
        for some in np.split(np.arange(len(starts)), cuts):
            if not len(some):
                continue
            first = int(starts[some[0]])
            text = self.file.read(first, int(ends[some].max()))
            for start, end in zip(starts[some].tolist(), ends[some].tolist(), strict=True):
                yield text[start - first : end - first]


def row_places(text: bytes) -> tuple[Ints, Ints]:
    """Finds rows in a list of objects in JSON.

    Returns:
        (D,) positions of their first bytes; (D,) lengths in bytes.
    """
    lengths = [len(bytes(row)) for row in parse(text, _RAW)]
    starts, end = [], 1
    for length in lengths:
        starts.append(text.index(b"{", end))
        end = starts[-1] + length
    return np.array(starts, np.int64), np.array(lengths, np.int32)
