"""Run-length encodings as COCO writes them."""

import numpy as np


def rle_runs(counts: str | list) -> np.ndarray | None:
    """The run lengths of an RLE, compressed or a list; None if it is none.

    They need not add up to an image: pycocotools decodes an RLE that is cut off into whatever the
    memory holds, without a word. From a compressed one they may also be negative.
    """
    if isinstance(counts, list):
        valid = all(type(run) is int and 0 <= run < 1 << 32 for run in counts)
        return np.array(counts, np.int64) if valid and counts else None
    codes = np.frombuffer(counts.encode(errors="surrogatepass"), np.uint8).astype(np.int64) - 48
    if codes.size == 0 or codes.min() < 0 or codes.max() > 63 or codes[-1] & 32:
        return None
    ends = np.flatnonzero((codes & 32) == 0)
    starts = np.concatenate(([0], ends[:-1] + 1))
    lengths = ends - starts + 1
    if lengths.max() > 7:  # 32 bits in fives
        return None
    places = np.arange(codes.size) - np.repeat(starts, lengths)
    runs = np.add.reduceat((codes & 31) << 5 * places, starts)
    runs -= np.where(codes[ends] & 16, 1 << 5 * lengths, 0)
    # from the fourth on they are differences to the one before the last
    runs[1::2] = runs[1::2].cumsum()
    runs[2::2] = runs[2::2].cumsum()
    return runs


def fills(counts: str | list, height: int, width: int) -> bool:
    """Whether the runs of an RLE are sound and add up to a mask of that size."""
    runs = rle_runs(counts)
    return runs is not None and not (runs < 0).any() and bool(runs.sum() == height * width)
