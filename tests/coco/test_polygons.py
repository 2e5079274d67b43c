"""Tests outlines: rasterised by several rules they are the mask, holes and parts included."""

import numpy as np
import pycocotools.mask as mask_utils
import pytest
from PIL import Image, ImageDraw

from msrcnn_mm.coco.polygons import outlines, rings
from tests.support.coco_scenes import encode
from tests.support.rescoring_scenes import random_masks


def inside(polygon: list[float], height: int, width: int) -> np.ndarray:
    """Which centres of pixels are inside, by the number of edges to their right."""
    x, y = np.reshape(polygon, (-1, 2)).T
    rows, columns = np.mgrid[:height, :width] + 0.5
    odd = np.zeros((height, width), bool)
    for x1, y1, x2, y2 in zip(x, y, np.roll(x, -1), np.roll(y, -1), strict=True):
        if y1 != y2:
            crosses = (y1 > rows) != (y2 > rows)
            odd ^= crosses & (columns < x1 + (rows - y1) / (y2 - y1) * (x2 - x1))
    return odd


@pytest.mark.parametrize("seed", [1, 2])
def test_centres_of_pixels_are_inside_as_in_the_mask(seed: int) -> None:
    holes = parts = 0
    for mask in random_masks(seed):
        polygons = outlines(encode(mask))
        found = np.zeros(mask.shape, int)
        for polygon in polygons:
            assert len(polygon) >= 6
            found += inside(polygon, *mask.shape)
        np.testing.assert_array_equal(found, mask)
        odd = [inside(ring, *mask.shape) for ring in rings(encode(mask))]
        np.testing.assert_array_equal(np.logical_xor.reduce(odd), mask)
        parts += len(polygons) > 1
        holes += _has_hole(mask)
    assert parts > 3 and holes > 0


def _has_hole(mask: np.ndarray) -> bool:
    picture = Image.fromarray(np.pad(mask, 1))
    ImageDraw.floodfill(picture, (0, 0), 1)
    return not np.asarray(picture).all()


def test_pycocotools_draws_a_ring_as_it_was() -> None:
    y, x = np.mgrid[:80, :90]
    radius = np.hypot(y - 40, x - 45)
    ring = ((radius < 35) & (radius > 18)).astype(np.uint8)
    rle = encode(ring)
    (polygon,) = outlines(rle)
    drawn = mask_utils.frPyObjects([polygon], 80, 90)
    assert mask_utils.iou([rle], drawn, [0])[0, 0] > 0.99
    assert len(polygon) / 2 < 130  # the ring has more than 300 border pixels


def test_the_largest_part_is_first_and_an_empty_mask_has_none() -> None:
    mask = np.zeros((20, 20), np.uint8)
    assert outlines(encode(mask)) == []
    mask[1:3, 1:3] = 1
    mask[8:18, 8:18] = 1
    first, second = outlines(encode(mask))
    assert min(first) >= 8 and max(second) <= 3
