"""Defines sequences of compressed RLEs that are made when they are asked for."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, Self, overload

import numpy as np

from .rle import Ints

_AT_ONCE = 1000  # RLEs that are objects at the same time, in a loop over all


class LazyRles(Sequence[dict[str, Any]]):
    """D compressed RLEs as a read-only sequence; an item is made when it is asked for.

    Attributes:
        sizes: (D, 2), heights and widths.
    """

    sizes: Ints

    @abstractmethod
    def take(self, places: Ints) -> list[dict[str, Any]]:
        """Makes the RLEs at these places."""

    @abstractmethod
    def select(self, places: Ints) -> Self:
        """Returns the sequence of the RLEs at these places, none of which is made."""

    @classmethod
    @abstractmethod
    def join(cls, parts: "Sequence[Self]") -> "LazyRles":
        """Joins the RLEs of several sequences of this kind, none of which is made if possible."""

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


def rles_at(rles: Sequence[dict[str, Any]], places: Ints) -> list[dict[str, Any]]:
    """Returns the RLEs at these places; those in a file are read at once, not one by one."""
    return rles.take(places) if isinstance(rles, LazyRles) else [rles[one] for one in places]
