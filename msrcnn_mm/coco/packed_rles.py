"""Holds many compressed RLEs in one text.

Objects are slow to send to another process, and a process that reads objects which it shares with
another copies their memory, since it counts references. A text and two arrays have neither cost.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np

from .rle import Ints

_AT_ONCE = 1000  # RLEs that are objects at the same time, in a loop over all


@dataclass(frozen=True, eq=False)
class PackedRles(Sequence[dict[str, Any]]):
    """D compressed RLEs as a read-only sequence; an item is made when it is asked for.

    Attributes:
        text: All ``counts``, one after the other.
        bounds: (D + 1,), those of RLE d are ``text[bounds[d] : bounds[d + 1]]``.
        sizes: (D, 2), heights and widths.
    """

    text: str
    bounds: Ints
    sizes: Ints

    @classmethod
    def pack(cls, counts: Sequence[str], sizes: Sequence[Sequence[int]]) -> "PackedRles":
        """Packs RLEs, given the ``counts`` and the ``size`` of each."""
        bounds = np.cumsum([0, *map(len, counts)], dtype=np.int64)
        return cls("".join(counts), bounds, np.array(sizes, np.int64).reshape(-1, 2))

    @classmethod
    def of(cls, rles: Sequence[dict[str, Any]]) -> "PackedRles":
        """Packs compressed RLEs, whose ``counts`` may be bytes, as pycocotools gives them."""
        texts = [rle["counts"] for rle in rles]
        counts = [text.decode() if isinstance(text, bytes) else text for text in texts]
        return cls.pack(counts, [rle["size"] for rle in rles])

    @classmethod
    def join(cls, parts: Sequence["PackedRles"]) -> "PackedRles":
        """Joins the RLEs of several parts."""
        lengths = np.concatenate([np.zeros(1, np.int64), *(np.diff(p.bounds) for p in parts)])
        text = "".join([part.text for part in parts])
        return cls(text, lengths.cumsum(), np.concatenate([part.sizes for part in parts]))

    def take(self, places: Ints) -> list[dict[str, Any]]:
        """Returns the RLEs at these places."""
        starts, ends = self.bounds[places].tolist(), self.bounds[places + 1].tolist()
        return [
            {"size": size, "counts": self.text[start:end]}
            for size, start, end in zip(self.sizes[places].tolist(), starts, ends, strict=True)
        ]

    def __len__(self) -> int:
        return len(self.sizes)

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> list[dict[str, Any]]: ...
    def __getitem__(self, index: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        places = range(len(self))[index]
        if isinstance(places, range):
            return self.take(np.array(places, np.int64))
        return self.take(np.array([places]))[0]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for first in range(0, len(self), _AT_ONCE):
            yield from self[first : first + _AT_ONCE]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)
