"""Holds many compressed RLEs in one text.

Objects are slow to send to another process, and a process that reads objects which it shares with
another copies their memory, since it counts references. A text and arrays have neither cost.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .lazy_rles import LazyRles
from .rle import Ints


@dataclass(frozen=True, eq=False)
class PackedRles(LazyRles):
    """D compressed RLEs in one text.

    Attributes:
        text: All ``counts``, one after the other.
        starts: (D,), the ``counts`` of RLE d are ``text[starts[d] : ends[d]]``.
        ends: (D,).
        sizes: (D, 2), heights and widths.
    """

    text: str
    starts: Ints
    ends: Ints
    sizes: Ints

    @classmethod
    def pack(cls, counts: Sequence[str], sizes: Sequence[Sequence[int]]) -> "PackedRles":
        """Packs RLEs, given the ``counts`` and the ``size`` of each."""
        bounds = np.cumsum([0, *map(len, counts)], dtype=np.int64)
        given = np.array(sizes, np.int64).reshape(-1, 2)
        return cls("".join(counts), bounds[:-1], bounds[1:], given)

    @classmethod
    def of(cls, rles: Sequence[dict[str, Any]]) -> "PackedRles":
        """Packs compressed RLEs, whose ``counts`` may be bytes, as pycocotools gives them."""
        texts = [rle["counts"] for rle in rles]
        counts = [text.decode() if isinstance(text, bytes) else text for text in texts]
        return cls.pack(counts, [rle["size"] for rle in rles])

    @classmethod
    def join(cls, parts: Sequence["PackedRles"]) -> "PackedRles":
        """Joins the RLEs of several parts."""
        before = np.cumsum([0, *(len(part.text) for part in parts)]).tolist()[:-1]
        starts = [part.starts + start for part, start in zip(parts, before, strict=True)]
        ends = [part.ends + start for part, start in zip(parts, before, strict=True)]
        sizes = [part.sizes for part in parts]
        text = "".join([part.text for part in parts])
        return cls(text, *map(np.concatenate, (starts, ends, sizes)))

    def take(self, places: Ints) -> list[dict[str, Any]]:
        """Makes the RLEs at these places."""
        starts, ends = self.starts[places].tolist(), self.ends[places].tolist()
        return [
            {"size": size, "counts": self.text[start:end]}
            for size, start, end in zip(self.sizes[places].tolist(), starts, ends, strict=True)
        ]

    def select(self, places: Ints) -> "PackedRles":
        """Returns the RLEs at these places, which share the text."""
        return PackedRles(self.text, self.starts[places], self.ends[places], self.sizes[places])
