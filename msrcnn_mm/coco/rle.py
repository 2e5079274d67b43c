"""Checks that run-length encodings in COCO's format are complete.

pycocotools decodes an encoding whose runs do not add up to the image without an error, into
whatever the memory holds.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Counts = str | list[int]
"""The runs of an encoding: compressed, or as numbers."""

_CHARACTERS = 1 << 14  # examined at once, few enough to stay in the processor's cache


def are_complete(counts: Sequence[Counts], pixels: Sequence[int]) -> NDArray[np.bool_]:
    """Returns which encodings are complete: their runs are valid and add up to the mask's pixels.

    Args:
        counts: Of D encodings, each compressed or a list.
        pixels: (D,), height x width of each mask.

    Returns:
        (D,).
    """
    complete = np.zeros(len(counts), bool)
    texts: list[str] = []
    places: list[int] = []
    characters = 0

    def flush() -> None:
        complete[places] = _are_complete(texts, [pixels[place] for place in places])
        texts.clear()
        places.clear()

    for index, runs in enumerate(counts):
        if isinstance(runs, list):
            valid = all(type(run) is int and 0 <= run < 1 << 32 for run in runs)
            complete[index] = valid and bool(runs) and sum(runs) == pixels[index]
            continue
        texts.append(runs)
        places.append(index)
        characters += len(runs)
        if characters >= _CHARACTERS:
            flush()
            characters = 0
    flush()
    return complete


def is_complete(counts: Counts, height: int, width: int) -> bool:
    """Returns whether the runs of one encoding are valid and add up to a mask of that size."""
    return bool(are_complete([counts], [height * width])[0])


def _are_complete(counts: Sequence[str], pixels: Sequence[int]) -> NDArray[np.bool_]:
    """Returns which compressed encodings are complete.

    Each character has five bits of a run, the lowest first, and a bit that is set if more follow;
    from the fourth on a run is the difference to the one before the last.
    """
    encoded = [text.encode(errors="surrogatepass") for text in counts]
    codes = np.frombuffer(b"".join(encoded), np.uint8) - np.uint8(48)  # less wraps to more
    sizes = np.array([len(text) for text in encoded], np.int64)
    last = sizes.cumsum() - 1
    complete = sizes > 0
    # a last character that promises more would take the next encoding's first
    complete[complete] = codes[last[complete]] < 32
    complete[np.searchsorted(last, np.flatnonzero(codes > 63))] = False
    if not complete.all():
        codes, sizes = codes[np.repeat(complete, sizes)], sizes[complete]
    filled = np.zeros(len(counts), bool)
    if codes.size:
        filled[complete] = _sums(codes, sizes) == np.array(pixels)[complete]
    return filled


def _sums(codes: NDArray[np.uint8], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns the sum of the runs of each of D encodings; -1 where a run is not valid.

    Args:
        codes: The characters of all encodings less 48, below 64; each encoding's last is below 32.
        sizes: (D,), how many characters each has, at least one.
    """
    ends = np.flatnonzero(codes < 32)
    starts = np.concatenate(([0], ends[:-1] + 1))
    lengths = ends - starts + 1
    values = (codes[starts] & 31).astype(np.int64)
    for place in range(1, min(int(lengths.max()), 7)):
        longer = np.flatnonzero(lengths > place)
        bits = codes[starts[longer] + place].astype(np.int64) & 31
        values[longer] |= bits << 5 * place
    values -= (codes[ends] & np.uint8(16)).astype(np.int64) << 5 * np.minimum(lengths, 7) - 4

    # Sums of every other value over all encodings, less those before the encoding's own values.
    sums = np.empty_like(values)
    sums[0::2], sums[1::2] = values[0::2].cumsum(), values[1::2].cumsum()
    many = np.diff(np.searchsorted(ends, sizes.cumsum()), prepend=0)
    first = many.cumsum() - many
    second = np.minimum(first + 1, len(values) - 1)
    index = np.arange(len(values)) - np.repeat(first, many)
    runs = sums - np.where(
        index & 1, np.repeat(sums[second] - values[second], many), np.repeat(sums[first], many)
    )
    runs[first] = values[first]
    totals = np.add.reduceat(runs, first)
    totals[np.minimum.reduceat(runs, first) < 0] = -1
    totals[np.maximum.reduceat(lengths, first) > 7] = -1  # 32 bits in fives
    return totals
