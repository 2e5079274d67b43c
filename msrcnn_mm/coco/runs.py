"""Decodes, encodes and mirrors compressed RLEs, many at once, without making masks of them.

An RLE of COCO lists the lengths of runs of background and foreground pixels in turn, column by
column, background first.

Shape shorthand: D masks, L runs of all of them, S segments of all of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .detections import Rle
from .rle import Counts, Ints, read_numbers

AT_ONCE = 250
"""Number of masks whose segments stay in the cache."""


@dataclass(frozen=True)
class Segments:
    """The foreground of D masks, cut at the columns' ends, in the order of the RLEs.

    Attributes:
        mask: (S,), number of the mask, ascending.
        column: (S,).
        top: (S,), first row.
        bottom: (S,), first row below.
        sizes: (D, 2), height and width of the masks.
    """

    mask: Ints
    column: Ints
    top: Ints
    bottom: Ints
    sizes: Ints


def decode_runs(counts: Sequence[str]) -> tuple[Ints, Ints]:
    """Decodes the runs of D complete encodings, see :func:`.rle.measure`.

    Returns:
        (L,) lengths; (D + 1,) bounds, mask d has the runs from ``bounds[d]`` to ``bounds[d + 1]``.
    """
    numbers, bounds = read_numbers(counts)
    return _every_other_sum(numbers, bounds), bounds


def encode_runs(runs: Ints, bounds: Ints) -> list[str]:
    """Returns the D compressed encodings of (L,) runs between (D + 1,) ``bounds``."""
    if not len(runs):
        return []
    place = np.arange(len(runs)) - np.repeat(bounds[:-1], np.diff(bounds))
    values = runs.copy()
    late = np.flatnonzero(place > 2)
    values[late] -= runs[late - 2]
    # n characters hold numbers from -2^(5n - 1) to 2^(5n - 1) - 1
    magnitude = np.where(values < 0, ~values, values)
    characters = np.ones(len(values), np.int64)
    while (more := magnitude >> 5 * characters - 1 > 0).any():
        characters += more
    ends = characters.cumsum()
    codes = np.zeros(ends[-1], np.uint8)
    for k in range(int(characters.max())):
        long = np.flatnonzero(characters > k)
        code = (values[long] >> 5 * k) & 31
        code[characters[long] > k + 1] += 32
        codes[ends[long] - characters[long] + k] = code
    text = (codes + np.uint8(48)).tobytes().decode()
    cuts = np.concatenate(([0], ends))[bounds].tolist()
    return [text[a:b] for a, b in pairwise(cuts)]


def without_empty_runs(counts: Counts) -> str:
    """Returns a complete encoding, compressed, whose runs after the first have pixels.

    COCO's format allows empty runs. pycocotools writes none, and where an encoding has them, its
    IoU of two masks may end at the first, and its box may go beyond the mask.
    """
    runs = decode_runs([counts])[0].tolist() if isinstance(counts, str) else counts
    joined = runs[:1]
    for place, run in enumerate(runs[1:], 1):
        if not run:
            continue
        if place & 1 == len(joined) & 1:
            joined.append(run)
        else:
            joined[-1] += run
    return encode_runs(np.array(joined, np.int64), np.array([0, len(joined)]))[0]


def segments(masks: Sequence[Rle]) -> Segments:
    """Returns the foreground of D compressed RLEs as segments of columns."""
    sizes = np.array([rle["size"] for rle in masks], np.int64).reshape(-1, 2)
    runs, bounds = decode_runs([rle["counts"] for rle in masks])
    stops = runs.cumsum()
    mask = np.repeat(np.arange(len(masks)), np.diff(bounds))
    stops -= np.concatenate(([0], sizes.prod(axis=1).cumsum()[:-1]))[mask]
    odd = np.flatnonzero(((np.arange(len(runs)) - bounds[mask]) & 1) & (runs > 0))
    mask, start, stop = mask[odd], stops[odd] - runs[odd], stops[odd]
    height = sizes[mask, 0]
    first = start // height
    many = (stop - 1) // height - first + 1
    column = np.repeat(first - (many.cumsum() - many), many) + np.arange(many.sum())
    mask, start, stop, height = (np.repeat(a, many) for a in (mask, start, stop, height))
    top = np.maximum(start - column * height, 0)
    return Segments(mask, column, top, np.minimum(stop - column * height, height), sizes)


def mirror(masks: Sequence[Rle]) -> list[Rle]:
    """Returns D compressed RLEs with their columns reversed."""
    mirrored: list[Rle] = []
    for i in range(0, len(masks), AT_ONCE):
        mirrored += _mirror(masks[i : i + AT_ONCE])
    return mirrored


def _mirror(masks: Sequence[Rle]) -> list[Rle]:
    found = segments(masks)
    width = found.sizes[found.mask, 1]
    return encode_segments(replace(found, column=width - 1 - found.column))


def moved(masks: Sequence[Rle], right: int, down: int, height: int, width: int) -> list[Rle]:
    """Returns D compressed RLEs moved into an image of another size, without what is outside it.

    Args:
        masks: Compressed RLEs.
        right: Columns by which they are moved, negative to the left.
        down: Rows by which they are moved, negative upwards.
        height: Of the image, pixels.
        width: Likewise.
    """
    found: list[Rle] = []
    for i in range(0, len(masks), AT_ONCE):
        part = segments(masks[i : i + AT_ONCE])
        column = part.column + right
        top, bottom = (np.clip(rows + down, 0, height) for rows in (part.top, part.bottom))
        kept = (column >= 0) & (column < width) & (top < bottom)
        sizes = np.tile(np.array([height, width], np.int64), (len(part.sizes), 1))
        found += encode_segments(
            Segments(part.mask[kept], column[kept], top[kept], bottom[kept], sizes)
        )
    return found


def encode_crops(
    crops: Sequence[NDArray[np.bool_]],
    corners: Sequence[tuple[int, int]],
    height: int,
    width: int,
) -> list[Rle]:
    """Returns the D compressed RLEs of masks, given the part of each that has its foreground.

    Args:
        crops: Of each mask (columns, rows): pixels of a column are neighbours in the memory.
        corners: Of each its first column and row in the image.
        height: Of the image, pixels.
        width: Likewise.
    """
    found = []
    for number, (crop, (left, top)) in enumerate(zip(crops, corners, strict=True)):
        columns, rows = crop.shape
        apart = np.zeros((columns, rows + 1), bool)  # a row of background between columns
        apart[:, :rows] = crop
        edges = np.flatnonzero(np.diff(apart.ravel(), prepend=False))
        column, first = np.divmod(edges[0::2], rows + 1)
        length = edges[1::2] - edges[0::2]
        mask = np.full(len(column), number)
        found.append((mask, column + left, first + top, first + length + top))
    if not found:
        return []
    sizes = np.tile(np.array([height, width], np.int64), (len(found), 1))
    mask, column, first, behind = (np.concatenate(part) for part in zip(*found, strict=True))
    return encode_segments(Segments(mask, column, first, behind, sizes))


def encode_segments(found: Segments) -> list[Rle]:
    """Returns the D compressed RLEs of segments, those of a mask in any order."""
    pixels = found.sizes.prod(axis=1)
    end = pixels.cumsum()
    height = found.sizes[found.mask, 0]
    origin = (end - pixels)[found.mask] + found.column * height
    starts, stops = np.sort(origin + found.top), np.sort(origin + found.bottom)
    # a segment that goes on in the next column is one run with it
    apart = (stops[:-1] < starts[1:]) | (found.mask[:-1] < found.mask[1:])
    first, last = np.insert(apart, 0, True), np.append(apart, True)
    starts, stops, mask = starts[first[: len(starts)]], stops[last[: len(stops)]], found.mask
    mask = mask[first[: len(mask)]]

    many = np.bincount(mask, minlength=len(pixels))
    bounds = np.concatenate(([0], (2 * many + 1).cumsum()))
    place = bounds[mask] + 2 * (np.arange(len(mask)) - (many.cumsum() - many)[mask])
    before = np.concatenate((np.zeros(1, np.int64), stops))[: len(starts)]
    runs = np.empty(bounds[-1], np.int64)
    runs[place] = starts - np.maximum(before, (end - pixels)[mask])
    runs[place + 1] = stops - starts
    behind = end - pixels
    behind[mask] = stops  # the last stop of each
    runs[bounds[1:] - 1] = end - behind
    # pycocotools writes no last run of length 0
    kept = np.ones(len(runs), bool)
    kept[bounds[1:] - 1] = end > behind
    bounds = np.concatenate(([0], kept.cumsum()))[bounds]
    counts = encode_runs(runs[kept], bounds)
    return [{"size": s, "counts": c} for s, c in zip(found.sizes.tolist(), counts, strict=True)]


def _every_other_sum(values: Ints, bounds: Ints) -> Ints:
    """Returns (L,) runs of which all but the first three of a mask are given as differences."""
    sums = np.empty_like(values)
    sums[0::2], sums[1::2] = values[0::2].cumsum(), values[1::2].cumsum()
    first, many = bounds[:-1], np.diff(bounds)
    second = np.minimum(first + 1, max(len(values) - 1, 0))
    place = np.arange(len(values)) - np.repeat(first, many)
    # the runs 1, 3, 5, ... add up from the run 1 on, the runs 2, 4, 6, ... from the run 2 on
    runs = sums - np.where(
        place & 1, np.repeat((sums - values)[second], many), np.repeat(sums[first], many)
    )
    runs[first] = values[first]
    return runs
