"""Encodes masks that are maps of probabilities in boxes, without making images of them.

Between the centres of four neighbouring cells an interpolated probability lies between theirs.
Where all four are on one side of the threshold, so are all pixels between them. Elsewhere it is
linear along a column of pixels, and crosses the threshold once. Only pixels that are so near to
the crossing that rounding decides are sampled.

Shape shorthand:
    D: masks
    h, w: sides of a map (28)
    I, J: intervals between centres of cells, across and down: w + 3 and h + 3 with those beyond
    C: columns of the image that the boxes cover, of all masks
    U: intervals of columns with pixels on both sides of the threshold
    P: pixels
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .detections import Rle
from .runs import Ints, Segments, encode_segments

Floats = NDArray[np.float32]
Sampler = Callable[[Ints, Floats, Floats], NDArray[np.bool_]]
"""Returns for P pixels whether they are foreground, given the numbers of their masks, ascending,
and their places across and down the box, -1 at its first edge and 1 at its last."""

_OUTSIDE, _INSIDE, _UNSURE = range(3)
_ROUNDING = 1e-3  # more than interpolation is off by, in maps of up to 1,000 cells a side
_THIN = 1e-30  # pixels; rows of boxes with lower cells, or upside down, are not in order
_AT_ONCE = 1 << 20  # pixels that may be sampled at once, 60 bytes each


def encode_in_boxes(
    probs: Floats,
    boxes: Floats,
    height: int,
    width: int,
    threshold: float,
    sample: Sampler,
    whole_image: bool = False,
) -> list[Rle]:
    """Returns the RLEs of masks in the image.

    They are those of an image-sized mask of which each pixel is sampled.

    Args:
        probs: (D, h, w), in [0, 1].
        boxes: (D, 4) x1, y1, x2, y2 in pixels of the image. A mask in a box whose sides are swapped
            is mirrored.
        height: Of the image, pixels.
        width: Likewise.
        threshold: Probability from which a pixel is foreground.
        sample: Decides on pixels at the threshold.
        whole_image: Whether foreground may be anywhere; by default it ends a pixel beyond the box.
    """
    if not len(probs):
        return []
    outlines = _Outlines(probs, boxes, height, width, threshold, whole_image)
    found = [outlines.segments(columns, sample) for columns in outlines.parts()]
    mask, column, top, bottom = (np.concatenate(part) for part in zip(*found, strict=True))
    sizes = np.tile(np.array([height, width], np.int64), (len(probs), 1))
    return encode_segments(Segments(mask, column, top, bottom, sizes))


class _Axis(NamedTuple):
    """The pixels that D masks may cover in one direction, L of all masks.

    Attributes:
        first: (D,), the first pixel of each mask.
        many: (D,), the number of pixels.
        mask: (L,), number of the mask.
        pixel: (L,).
        place: (L,), -1 at the box's first edge, 1 at its last.
        interval: (L,), between which centres of cells the pixel's is.
        share: (L,), how far it is from the first of them to the second, 0 to 1.
    """

    first: Ints
    many: Ints
    mask: Ints
    pixel: Ints
    place: Floats
    interval: Ints
    share: Floats


def _axis(low: Floats, high: Floats, size: int, cells: int, whole_image: bool) -> _Axis:
    start, stop = np.zeros(len(low)), np.full(len(low), float(size))
    if not whole_image:
        start, stop = np.maximum(np.floor(low) - 1, start), np.minimum(np.ceil(high) + 1, stop)
    many = np.where(stop > start, stop - start, 0).astype(np.int64)
    first = np.where(many > 0, start, 0).astype(np.int64)
    mask = np.repeat(np.arange(len(low)), many)
    pixel = np.arange(len(mask)) - np.repeat(many.cumsum() - many - first, many)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        centre = pixel.astype(np.float32) + np.float32(0.5)
        place = (centre - low[mask]) / (high - low)[mask] * 2 - 1
        place[np.isinf(place)] = 0  # of a box without width, as MMDetection has it
        # a NaN, the place in a box that is one pixel's centre, has no probability
        cell = np.clip(np.nan_to_num(((place + 1) * cells - 1) / 2, nan=-2), -2, cells)
    lower = np.floor(cell)
    share = (cell - lower).astype(np.float32)
    return _Axis(first, many, mask, pixel, place, lower.astype(np.int64) + 2, share)


def _states(maps: Floats, threshold: float) -> NDArray[np.uint8]:
    """Returns (D, I, J) states of what is between four centres of (D, I + 1, J + 1) maps."""
    low = np.minimum(maps[:, 1:], maps[:, :-1])
    high = np.maximum(maps[:, 1:], maps[:, :-1])
    low = np.minimum(low[:, :, 1:], low[:, :, :-1])
    high = np.maximum(high[:, :, 1:], high[:, :, :-1])
    states = np.full(low.shape, _UNSURE, np.uint8)  # what is near the threshold, or NaN
    states[low > threshold + _ROUNDING] = _INSIDE
    states[high < threshold - _ROUNDING] = _OUTSIDE
    return states


class _Outlines:
    """Finds the foreground of D masks, column by column."""

    def __init__(
        self,
        probs: Floats,
        boxes: Floats,
        height: int,
        width: int,
        threshold: float,
        whole_image: bool,
    ) -> None:
        self.maps = np.pad(probs.transpose(0, 2, 1), ((0, 0), (2, 2), (2, 2)))
        self.across = _axis(boxes[:, 0], boxes[:, 2], width, probs.shape[2], whole_image)
        self.down = down = _axis(boxes[:, 1], boxes[:, 3], height, probs.shape[1], whole_image)
        self.threshold = threshold
        self.upper, side = boxes[:, 1].astype(float), (boxes[:, 3] - boxes[:, 1]).astype(float)
        self.cell = side / probs.shape[1]  # height of a cell in pixels
        states = _states(self.maps, threshold)
        states[~(self.cell > _THIN)] = _UNSURE
        masks, _, intervals = states.shape
        key = down.mask * intervals + down.interval
        rows = np.bincount(key, minlength=masks * intervals).reshape(masks, intervals)
        tops = down.first[:, None] + rows.cumsum(axis=1) - rows
        end = (down.first + down.many)[:, None]
        self.unsure = ((states == _UNSURE) * rows[:, None]).sum(axis=2)
        # what is below the last row is outside
        self.states = np.pad(states, ((0, 0), (0, 0), (0, 1)))
        self.tops = np.concatenate((tops, end), axis=1)
        # number of a mask's row 0 in ``down``
        self.row_0 = down.many.cumsum() - down.many - down.first

    def parts(self) -> Iterator[Ints]:
        """Yields the columns that may have foreground, so many that the pixels are few."""
        mask, interval = self.across.mask, self.across.interval
        columns = np.flatnonzero((self.states.max(axis=2) > _OUTSIDE)[mask, interval])
        many = self.unsure[mask[columns], interval[columns]] + self.states.shape[2]
        return iter(np.split(columns, np.flatnonzero(np.diff(many.cumsum() // _AT_ONCE)) + 1))

    def segments(self, columns: Ints, sample: Sampler) -> tuple[NDArray[Any], ...]:
        """Returns mask, column, first row and first row below of the foreground in columns."""
        of_column = self.states[self.across.mask[columns], self.across.interval[columns]]
        changed = np.diff(of_column, axis=1, prepend=np.uint8(_OUTSIDE)) != 0
        index, interval = np.nonzero(changed | (of_column == _UNSURE))
        state, column = of_column[index, interval], columns[index]
        mask = self.across.mask[column]
        top = self.tops[mask, interval]

        # An interval that is not sure has a row that says what is above the crossing, one for each
        # pixel at the crossing, and one that says what is below it.
        open_ = np.flatnonzero(state == _UNSURE)
        lo, hi, rising = self._crossings(column[open_], interval[open_])
        many, offset = np.ones(len(column), np.int64), np.zeros(len(column), np.int64)
        many[open_] += hi - lo + 1
        offset[open_] = lo
        behind = many.cumsum()
        first, last = behind - many, behind[open_] - 1
        row = np.arange(many.sum()) - np.repeat(first - offset + 1, many)
        row[first], row[last] = top, hi
        inside = np.ones(len(row), bool)
        item = np.repeat(np.arange(len(column)), many)
        inside[first], inside[last] = False, False
        pixels = np.flatnonzero(inside)
        inside[first] = state == _INSIDE
        inside[first[open_]], inside[last] = ~rising, rising
        which = item[pixels]
        below = self.down.place[self.row_0[mask[which]] + row[pixels]]
        inside[pixels] = sample(mask[which], self.across.place[column[which]], below)

        edges = np.flatnonzero(np.diff(inside, prepend=False))
        start, stop = edges[0::2], edges[1::2]
        kept = row[start] < row[stop]  # a state may have no row
        start, stop = start[kept], stop[kept]
        which = item[start]
        return mask[which], self.across.pixel[column[which]], row[start], row[stop]

    def _crossings(self, column: Ints, interval: Ints) -> tuple[Ints, Ints, NDArray[np.bool_]]:
        """Returns where probabilities cross the threshold in U intervals of columns.

        Returns:
            The first row within rounding of the threshold, the first below these, and whether
            probabilities rise.
        """
        mask, place = self.across.mask[column], self.across.interval[column]
        share = self.across.share[column]
        above, below = (
            (1 - share) * self.maps[mask, place, k] + share * self.maps[mask, place + 1, k]
            for k in (interval, interval + 1)
        )
        change = (below - above).astype(float)
        change[change == 0] = 1e-30
        distance = self.threshold - above.astype(float)
        ends = (distance - _ROUNDING) / change, (distance + _ROUNDING) / change
        row_of_centre = self.upper[mask] + (interval - 1.5) * self.cell[mask] - 0.5
        top, bottom = self.tops[mask, interval], self.tops[mask, interval + 1]
        low, high = (row_of_centre + f(*ends) * self.cell[mask] for f in (np.minimum, np.maximum))
        known = (self.cell[mask] > _THIN) & np.isfinite(low) & np.isfinite(high)
        lo = np.where(known, np.clip(np.ceil(low), top, bottom), top).astype(np.int64)
        hi = np.where(known, np.clip(np.floor(high) + 1, lo, bottom), bottom).astype(np.int64)
        return lo, hi, change > 0
