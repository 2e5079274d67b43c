"""Run-length encodings as COCO writes them.

Their runs need not add up to an image: pycocotools decodes an encoding that is cut off into
whatever the memory holds, without a word.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_CHARACTERS = 1 << 20  # looked at in one go


def fill(counts: Sequence[str | list], pixels: Sequence[int]) -> NDArray[np.bool_]:
    """Which encodings are sound: their runs are runs, and add up to a mask's pixels.

    Args:
        counts: Of D encodings, each compressed or a list.
        pixels: (D,), height x width of each mask.

    Returns:
        (D,).
    """
    sound = np.zeros(len(counts), bool)
    some: list[int] = []
    waiting = 0
    for index, runs in enumerate(counts):
        if isinstance(runs, list):
            valid = all(type(run) is int and 0 <= run < 1 << 32 for run in runs)
            sound[index] = valid and bool(runs) and sum(runs) == pixels[index]
            continue
        some.append(index)
        waiting += len(runs)
        if waiting >= _CHARACTERS:
            sound[some] = _fill([counts[i] for i in some], [pixels[i] for i in some])
            some, waiting = [], 0
    sound[some] = _fill([counts[i] for i in some], [pixels[i] for i in some])
    return sound


def fills(counts: str | list, height: int, width: int) -> bool:
    """Whether the runs of one encoding are sound and add up to a mask of that size."""
    return bool(fill([counts], [height * width])[0])


def _fill(counts: Sequence, pixels: Sequence[int]) -> NDArray[np.bool_]:
    """The same of compressed encodings.

    Each character has five bits of a run, the lowest first, and says whether more follow; from the
    fourth on a run is the difference to the one before the last.
    """
    encoded = [text.encode(errors="surrogatepass") for text in counts]
    sizes = np.array([len(text) for text in encoded], np.int64)
    codes = np.frombuffer(b"".join(encoded), np.uint8).astype(np.int64) - 48
    owners = np.repeat(np.arange(len(sizes)), sizes)
    last = sizes.cumsum()[sizes > 0] - 1
    # a last one that promises more would take the next encoding's first
    broken = (codes < 0) | (codes > 63)
    broken[last] |= (codes[last] & 32) > 0
    sound = sizes > 0
    sound[owners[broken]] = False
    keep = sound[owners]
    codes, owners = codes[keep], owners[keep]
    if not codes.size:
        return sound

    ends = np.flatnonzero((codes & 32) == 0)
    starts = np.concatenate(([0], ends[:-1] + 1))
    lengths = ends - starts + 1
    owners = owners[ends]  # of each run
    sound[owners[lengths > 7]] = False  # 32 bits in fives
    places = np.minimum(np.arange(codes.size) - np.repeat(starts, lengths), 7)
    runs = np.add.reduceat((codes & 31) << 5 * places, starts)
    runs -= np.where(codes[ends] & 16, 1 << 5 * np.minimum(lengths, 8), 0)

    first = np.searchsorted(owners, owners)  # each run's encoding's first
    index = np.arange(len(runs)) - first
    for chain in (index % 2 == 1, (index % 2 == 0) & (index > 0)):
        sums = runs[chain].cumsum()
        heads = np.searchsorted(owners[chain], owners[chain])
        runs[chain] = sums - (sums[heads] - runs[chain][heads])
    sound[owners[runs < 0]] = False
    totals = np.bincount(owners, runs, len(counts))
    return sound & (totals == np.array(pixels))
