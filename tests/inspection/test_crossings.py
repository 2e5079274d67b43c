"""Crossings of a polygon's edges, against exact arithmetic."""

from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest

from msrcnn_mm.coco.polygons import outlines
from msrcnn_mm.inspection import crossings
from msrcnn_mm.inspection.crossings import crossing
from tests.support.coco_scenes import encode, rectangle


def side(a, b, p):
    turn = (b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0])
    return (turn > 0) - (turn < 0)


def crossing_points(polygon):
    """Returns all points at which two edges cross, exactly."""
    points = [(Fraction(x), Fraction(y)) for x, y in zip(polygon[::2], polygon[1::2], strict=True)]
    edges = list(zip(points, points[1:] + points[:1], strict=True))
    found = set()
    for (a, b), (c, d) in combinations(edges, 2):
        if side(a, b, c) * side(a, b, d) < 0 and side(c, d, a) * side(c, d, b) < 0:
            (rx, ry), (sx, sy) = (b[0] - a[0], b[1] - a[1]), (d[0] - c[0], d[1] - c[1])
            share = ((c[0] - a[0]) * sy - (c[1] - a[1]) * sx) / (rx * sy - ry * sx)
            found.add((float(a[0] + share * rx), float(a[1] + share * ry)))
    return found


def star_shaped(rng, count):
    angles = np.sort(rng.uniform(0, 2 * np.pi, count))
    radii = rng.uniform(5, 40, count)
    return np.stack([50 + radii * np.cos(angles), 50 + radii * np.sin(angles)], 1).ravel().tolist()


@pytest.mark.parametrize("pairs_at_once", [1, 1_000_000])
def test_crossings_are_those_of_exact_arithmetic(pairs_at_once, monkeypatch):
    monkeypatch.setattr(crossings, "_AT_ONCE", pairs_at_once)
    rng = np.random.default_rng(0)
    seen = [0, 0]
    for _ in range(300):
        count = int(rng.integers(3, 9))
        polygon = rng.integers(0, 12, 2 * count).astype(float).tolist()
        expected, found = crossing_points(polygon), crossing(polygon)
        seen[found is not None] += 1
        assert (found is None) == (not expected), polygon
        if found is not None:
            assert min(np.hypot(*np.subtract(found, point)) for point in expected) < 1e-9
    assert min(seen) > 30


def test_polygons_around_a_point_do_not_cross():
    rng = np.random.default_rng(1)
    assert all(crossing(star_shaped(rng, 40)) is None for _ in range(50))


@pytest.mark.parametrize(
    "polygon",
    [
        [0, 0, 10, 0, 10, 10, 0, 10, 0, 0],  # closed
        [0, 0, 10, 0, 10, 0, 10, 10, 0, 10],  # a point twice
        [0, 0, 10, 0, 20, 0, 10, 0, 10, 10],  # an edge there and back
        [0, 0, 5, 5, 10, 0, 10, 10, 5, 5, 0, 10],  # touches itself in a point
        [0, 0, 10, 0, 10, 10, 4.999, 0.005, 0, 10],  # crosses by less than tools write
        [3, 3, 3, 3, 3, 3],
    ],
)
def test_touching_is_no_crossing(polygon):
    assert crossing(polygon) is None


def test_outlines_with_joined_holes_do_not_cross():
    mask = rectangle(10, 10, 100, 100) - rectangle(30, 30, 50, 50) - rectangle(60, 60, 90, 70)
    (polygon,) = outlines(encode(mask))
    assert crossing(polygon) is None
    assert crossing([0, 0, 10, 10, 10, 0, 0, 10]) == (5, 5)
