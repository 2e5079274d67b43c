"""Tests of crops to tight boxes against numpy, for bitmaps of all kinds and polygons."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdet.structures.mask import BitmapMasks, PolygonMasks

from msrcnn_mm.models.targets.instance_crops import InstanceCrop, instance_crops


def in_image(crop: InstanceCrop, shape: tuple[int, int]) -> np.ndarray:
    """Puts a crop back into an image of zeros."""
    image = np.zeros(shape, crop.bitmap.dtype)
    height, width = crop.bitmap.shape
    image[crop.top : crop.top + height, crop.left : crop.left + width] = crop.bitmap
    return image


def is_tight(crop: InstanceCrop) -> bool:
    sides = (crop.bitmap[0], crop.bitmap[-1], crop.bitmap[:, 0], crop.bitmap[:, -1])
    return all(side.any() for side in sides)


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    pixels=st.integers(0, 4),
    dtype=st.sampled_from([np.uint8, bool, np.float32, np.int64]),
)
def test_crops_are_tight_and_complete(
    seed: int, shape: tuple[int, int], pixels: int, dtype: type
) -> None:
    rng = np.random.default_rng(seed)
    bitmaps = np.zeros((3, *shape), dtype)
    for bitmap in bitmaps[:2]:  # the third stays empty
        bitmap.flat[rng.integers(0, bitmap.size, pixels)] = rng.integers(1, 255)
    crops = instance_crops(BitmapMasks(bitmaps, *shape))
    for crop, bitmap in zip(crops, bitmaps, strict=True):
        assert crop.bitmap.size == 0 if not bitmap.any() else is_tight(crop)
        np.testing.assert_array_equal(in_image(crop, shape), bitmap)


def test_polygons_are_filled_and_cropped() -> None:
    polygons = [[np.array([5.3, 4.1, 30.7, 8.2, 26.4, 30.9])], [np.array([9.0, 9, 9, 9, 9, 9])], []]
    crops = instance_crops(PolygonMasks(polygons, 40, 36))
    assert is_tight(crops[0])
    bitmap = PolygonMasks(polygons[:1], 40, 36).to_ndarray()[0]
    assert crops[1].bitmap.size == crops[2].bitmap.size == 0
    np.testing.assert_array_equal(in_image(crops[0], (40, 36)), bitmap)


@pytest.mark.parametrize("masks", [BitmapMasks(np.zeros((0, 8, 9)), 8, 9), PolygonMasks([], 8, 9)])
def test_no_instances(masks: BitmapMasks | PolygonMasks) -> None:
    assert instance_crops(masks) == []


def test_the_crops_of_an_image_are_made_once() -> None:
    masks = BitmapMasks(np.ones((1, 9, 9), np.uint8), 9, 9)
    assert instance_crops(masks) is instance_crops(masks)
