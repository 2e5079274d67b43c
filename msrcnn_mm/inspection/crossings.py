"""Finds the edges of a polygon that cross.

Shape shorthand: P points.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_ROUNDING = 0.01  # pixels: the least that tools write
_AT_ONCE = 1_000_000  # pairs of edges


def crossing(polygon: Sequence[float]) -> tuple[float, float] | None:
    """Returns where two edges of a polygon cross; None if no two do.

    Edges cross if the ends of each are on different sides of the other, more than 0.01 pixels from
    its line. Edges that only touch or run along each other, as where a hole is joined with the
    outline, do not cross.

    Args:
        polygon: [x1, y1, x2, y2, ...], 2 P numbers.

    Returns:
        x and y of the first crossing, in the order of the edges.
    """
    points = np.asarray(polygon, float).reshape(-1, 2)
    points = points[(points != np.roll(points, 1, axis=0)).any(axis=1)]
    rows = max(1, _AT_ONCE // max(len(points), 1))
    for first in range(0, len(points), rows):
        found = _crossing_of(points, first, first + rows)
        if found is not None:
            return found
    return None


def _crossing_of(points: NDArray[np.float64], first: int, last: int) -> tuple[float, float] | None:
    """Returns the first crossing of the edges from ``first`` to ``last`` with any."""
    starts, ends = points, np.roll(points, -1, axis=0)
    edges = ends - starts
    normals = np.stack([-edges[:, 1], edges[:, 0]], axis=1) / np.hypot(*edges.T)[:, None]
    offsets = (normals * starts).sum(axis=1)
    some = slice(first, last)
    # distances of the ends of all edges from the lines of some, and the reverse
    start_off = normals[some] @ starts.T - offsets[some, None]
    end_off = np.roll(start_off, -1, axis=1)
    own_start_off = starts[some] @ normals.T - offsets
    own_end_off = ends[some] @ normals.T - offsets
    crossed = _apart(start_off, end_off) & _apart(own_start_off, own_end_off)
    if not crossed.any():
        return None
    row, column = np.unravel_index(crossed.argmax(), crossed.shape)
    share = start_off[row, column] / (start_off[row, column] - end_off[row, column])
    x, y = starts[column] + share * edges[column]
    return float(x), float(y)


def _apart(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Returns where two distances are of different sign, and both more than rounding."""
    return (one * other < 0) & (np.minimum(np.abs(one), np.abs(other)) > _ROUNDING)
