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
from .rle import Ints
from .runs import Segments, encode_segments

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


class _Items(NamedTuple):
    """Intervals of columns of cells at which the state changes or is not sure, K of all masks.

    Attributes:
        state: (K,).
        top: (K,), first row.
        bottom: (K,), first row below.
        centre: (K,), row at the height of the upper centres.
        cell: (K,), height of a cell in rows; NaN if rows are not in the order of intervals.
        corners: Four of (K,), probabilities at the upper left and right, lower left and right.
    """

    state: NDArray[np.uint8]
    top: Ints
    bottom: Ints
    centre: NDArray[np.float64]
    cell: NDArray[np.float64]
    corners: list[Floats]


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
        self.across = _axis(boxes[:, 0], boxes[:, 2], width, probs.shape[2], whole_image)
        self.down = down = _axis(boxes[:, 1], boxes[:, 3], height, probs.shape[1], whole_image)
        self.threshold = threshold
        # number of a mask's row 0 in ``down``
        self.row_0 = down.many.cumsum() - down.many - down.first
        maps = np.pad(probs.transpose(0, 2, 1), ((0, 0), (2, 2), (2, 2)))
        cell = (boxes[:, 3] - boxes[:, 1]).astype(float) / probs.shape[1]
        states = _states(maps, threshold)
        cell[~(cell > _THIN)] = np.nan
        states[np.isnan(cell)] = _UNSURE
        masks, columns, intervals = states.shape
        key = down.mask * intervals + down.interval
        rows = np.bincount(key, minlength=masks * intervals).reshape(masks, intervals)
        bottoms = down.first[:, None] + rows.cumsum(axis=1)

        # what is below the last row is outside
        states = np.pad(states, ((0, 0), (0, 0), (0, 1)))
        changed = np.diff(states, axis=2, prepend=np.uint8(_OUTSIDE)) != 0
        mask, column, interval = np.nonzero(changed | (states == _UNSURE))
        last = np.minimum(interval, intervals - 1)
        bottom = bottoms[mask, last]
        self.items = _Items(
            state=states[mask, column, interval],
            top=np.where(last == interval, bottom - rows[mask, last], bottom),
            bottom=bottom,
            centre=boxes[mask, 1] + (interval - 1.5) * cell[mask] - 0.5,
            cell=cell[mask],
            corners=[maps[mask, column + a, last + b] for b in (0, 1) for a in (0, 1)],
        )
        places = mask * columns + column
        self.first_item = np.searchsorted(places, np.arange(masks * columns + 1))
        self.place = self.across.mask * columns + self.across.interval
        pixels = np.where(self.items.state == _UNSURE, bottom - self.items.top, 0) + 1
        self.most = np.bincount(places, pixels, minlength=masks * columns)

    def parts(self) -> Iterator[Ints]:
        """Yields the columns that may have foreground, so many that the pixels are few."""
        columns = np.flatnonzero(np.diff(self.first_item)[self.place])
        part = self.most[self.place[columns]].cumsum() // _AT_ONCE
        return iter(np.split(columns, np.flatnonzero(np.diff(part)) + 1))

    def segments(self, columns: Ints, sample: Sampler) -> tuple[NDArray[Any], ...]:
        """Returns mask, column, first row and first row below of the foreground in columns."""
        first_item = self.first_item[self.place[columns]]
        many = self.first_item[self.place[columns] + 1] - first_item
        column = np.repeat(columns, many)
        item = np.arange(len(column)) - np.repeat(many.cumsum() - many - first_item, many)
        state = self.items.state[item]

        # An interval that is not sure has a row that says what is above the crossing, one for each
        # pixel at the crossing, and one that says what is below it.
        unsure = np.flatnonzero(state == _UNSURE)
        lo, hi, rising = self._crossings(item[unsure], self.across.share[column[unsure]])
        many, offset = np.ones(len(item), np.int64), np.zeros(len(item), np.int64)
        many[unsure] += hi - lo + 1
        offset[unsure] = lo
        behind = many.cumsum()
        first, last = behind - many, behind[unsure] - 1
        row = np.arange(many.sum()) - np.repeat(first - offset + 1, many)
        column = np.repeat(column, many)
        row[first], row[last] = self.items.top[item], hi
        inside = np.ones(len(row), bool)
        inside[first], inside[last] = False, False
        pixels = np.flatnonzero(inside)
        inside[first] = state == _INSIDE
        inside[first[unsure]], inside[last] = ~rising, rising
        mask, across = self.across.mask[column[pixels]], self.across.place[column[pixels]]
        inside[pixels] = sample(mask, across, self.down.place[self.row_0[mask] + row[pixels]])

        edges = np.flatnonzero(np.diff(inside, prepend=False))
        start, stop = edges[0::2], edges[1::2]  # the last row of a column is outside
        kept = row[start] < row[stop]  # an interval may have no row
        start, stop = start[kept], stop[kept]
        column = column[start]
        return self.across.mask[column], self.across.pixel[column], row[start], row[stop]

    def _crossings(self, item: Ints, share: Floats) -> tuple[Ints, Ints, NDArray[np.bool_]]:
        """Returns where probabilities cross the threshold in U intervals of columns.

        Args:
            item: (U,), number of the interval.
            share: (U,), how far the column is from the left centres to the right ones.

        Returns:
            The first row within rounding of the threshold, the first below these, and whether
            probabilities rise.
        """
        corners = [corner[item] for corner in self.items.corners]
        above, below = (a + share * (b - a) for a, b in (corners[:2], corners[2:]))
        change = (below - above).astype(float)
        change[change == 0] = 1e-30
        distance = self.threshold - above
        cell, centre = self.items.cell[item], self.items.centre[item]
        middle, around = distance / change, _ROUNDING / np.abs(change)
        low, high = centre + (middle - around) * cell, centre + (middle + around) * cell
        top, bottom = self.items.top[item], self.items.bottom[item]
        # where it is not known, NaN, all rows are within rounding
        lo = np.fmin(np.fmax(np.ceil(low), top), bottom)
        hi = np.fmax(np.fmin(np.floor(high) + 1, bottom), lo)
        return lo.astype(np.int64), hi.astype(np.int64), change > 0
