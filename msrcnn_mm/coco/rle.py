"""Checks run-length encodings in COCO's format and measures them, many at once.

pycocotools decodes an encoding whose runs do not add up to the image without an error, into
whatever the memory holds.

Each character of a compressed encoding has five bits of a number, the lowest first, and a bit that
is set if more follow. The number is a run; from the fourth run on it is the difference to the one
before the last.

Shape shorthand: D encodings, L runs of all of them.
"""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Counts = str | list[int]
"""The runs of an encoding: compressed, or as numbers."""

Ints = NDArray[np.int64]

_AT_ONCE = 250  # encodings, whose runs stay in the processor's cache

_SOUND = re.compile("(?:[P-o]{0,5}[0-O]|[P-o]{6}[0-?])+")  # 32 bits in fives

_FAR = 2**29
"""Pixels by which a run can be shorter than the one before the last: pycocotools misreads negative
numbers of seven characters."""

_TOP = ((np.arange(32) ^ 16) - 16).astype(np.int8)  # last character of a number -> its signed bits


def measure(
    counts: Sequence[Counts], pixels: Sequence[int]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Measures masks without decoding them.

    Args:
        counts: Of D encodings, each compressed or a list.
        pixels: (D,), height x width of each mask.

    Returns:
        (D,) areas in pixels, -1 where the encoding is not complete or pycocotools misreads it, see
        :func:`damage`; (D,) whether a run after the first is empty, see
        :func:`.runs.without_empty_runs`.
    """
    found, has_empty = np.full(len(counts), -1), np.zeros(len(counts), bool)
    texts: list[tuple[int, str]] = []
    for place, runs in enumerate(counts):
        if isinstance(runs, str):
            texts.append((place, runs))
            continue
        valid = all(type(run) is int and 0 <= run < 1 << 32 for run in runs)
        if not valid or (pixels[place] > _FAR and _differ_too_far(runs)):
            continue
        if runs and sum(runs) == pixels[place]:
            found[place] = sum(runs[1::2])
            has_empty[place] = 0 in runs[1:]
    for first in range(0, len(texts), _AT_ONCE):
        places, some = zip(*texts[first : first + _AT_ONCE], strict=True)
        if not _are_sound(some):
            places = tuple(place for place in places if _SOUND.fullmatch(str(counts[place])))
            some = tuple(str(counts[place]) for place in places)
        if some:
            background, foreground, empty = _sums(*read_numbers(some))
            whole = background + foreground == [pixels[place] for place in places]
            found[list(places)] = np.where(whole & (background >= 0), foreground, -1)
            has_empty[list(places)] = empty
    found[has_empty & (np.array(pixels) > _FAR)] = -1
    return found, has_empty


def read_numbers(counts: Sequence[str]) -> tuple[Ints, Ints]:
    """Reads the numbers of D compressed encodings of valid numbers, none empty.

    Returns:
        (L,) numbers; (D + 1,) bounds, encoding d has those from ``bounds[d]`` to ``bounds[d + 1]``.
    """
    codes = np.frombuffer(("0" + "".join(counts)).encode(), np.uint8) - np.uint8(48)
    ends = np.flatnonzero(codes < 32)
    lengths, ends = np.diff(ends), ends[1:]  # the "0" in front gives the first a length
    numbers = _TOP.take(codes.take(ends)).astype(np.int64)
    longer = np.flatnonzero(lengths > 1)
    for place in range(1, int(lengths.max(initial=1))):
        longer = longer[lengths[longer] > place]
        numbers[longer] = numbers[longer] << 5 | codes[ends[longer] - place] & 31
    last = np.cumsum([len(text) for text in counts], dtype=np.int64)
    return numbers, np.concatenate(([0], np.searchsorted(ends, last) + 1))


def damage(height: int, width: int) -> str:
    """Returns what may be wrong with an encoding of a mask to which :func:`measure` gives -1."""
    beyond = ", are empty, or differ by more than 2^29, which pycocotools misreads"
    return f"its runs do not add up to {[height, width]} pixels" + beyond * (height * width > _FAR)


def _are_sound(texts: Sequence[str]) -> bool:
    """Returns whether compressed encodings consist of valid numbers."""
    text = "".join(texts)
    if not text.isascii() or not all(texts):
        return False
    codes = np.frombuffer(text.encode(), np.uint8) - np.uint8(48)  # less wraps to more
    more = codes > 31
    twos = more[1:] & more[:-1]
    fours = twos[2:] & twos[:-2]
    sixes = fours[2:] & fours[:-2]
    last = np.cumsum([len(text) for text in texts]) - 1
    if more[last].any() or codes.max(initial=0) > 63:
        return False
    # a seventh character ends a number, and has no sign
    return not sixes.any() or bool((codes[np.flatnonzero(sixes) + 6] < 16).all())


def _differ_too_far(runs: Sequence[int]) -> bool:
    """Returns whether a run differs from the one before the last by more than pycocotools reads."""
    return any(early - late > _FAR for early, late in zip(runs[1:], runs[3:], strict=False))


def _sums(numbers: Ints, bounds: Ints) -> tuple[Ints, Ints, NDArray[np.bool_]]:
    """Sums up the runs of D encodings.

    No run is computed by itself. The numbers at even places of the batch, and those at odd places,
    are summed up from one encoding to the next: less the sum before an encoding, these are its runs
    of background and of foreground, or the reverse. The first number, a run that no other refers
    to, is added later.

    Returns:
        (D,) pixels of the background, -1 where a run is negative; of the foreground; whether a run
        after the first is empty.
    """
    numbers = np.append(numbers, (0, 0))
    starts = bounds[:-1]
    first = numbers[starts]
    numbers[starts] = 0
    totals, least = [], first
    has_empty = np.zeros(len(starts), bool)
    for parity in (0, 1):
        sums = numbers[parity::2].cumsum()
        edges = (bounds + 1 - parity) // 2
        start, end = edges[:-1], edges[1:]
        before = np.where(start > 0, sums[start - 1], 0)
        start = start + ((starts & 1) == parity)  # behind the first number
        pairs = np.stack((start, end), axis=1).ravel()
        runs = end > start
        totals.append(runs * (np.add.reduceat(sums, pairs)[::2] - before * (end - start)))
        shortest = np.minimum.reduceat(sums, pairs)[::2] - before
        least = np.minimum(least, runs * shortest)
        has_empty |= runs & (shortest == 0)
    odd = starts & 1 == 1
    background = first + np.where(odd, totals[1], totals[0])
    return np.where(least < 0, -1, background), np.where(odd, totals[0], totals[1]), has_empty
