"""Polygons of masks, against pycocotools' own rasteriser."""

import numpy as np
import pycocotools.mask as mask_utils
from numpy.typing import NDArray

from msrcnn_mm.coco.detections import Rle
from msrcnn_mm.engine.predict.polygons import polygons_of


def encoded(mask: NDArray[np.bool_]) -> Rle:
    rle = mask_utils.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {"size": rle["size"], "counts": rle["counts"].decode()}


def drawn(polygons: list[list[float]], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    rles = mask_utils.frPyObjects(polygons, *shape)
    return mask_utils.decode(mask_utils.merge(rles)).astype(bool)


def test_rectangles_to_the_last_pixel() -> None:
    for top, bottom, left, right in ((0, 40, 0, 60), (3, 4, 5, 6), (39, 40, 59, 60), (7, 30, 8, 9)):
        mask = np.zeros((40, 60), bool)
        mask[top:bottom, left:right] = True
        polygons, has_holes = polygons_of(encoded(mask))
        assert np.array_equal(drawn(polygons, mask.shape), mask) and not has_holes


def test_disks_in_several_parts_are_traced_closely() -> None:
    rows, columns = np.mgrid[:80, :120]
    parts = [(20, 20, 15), (50, 90, 25), (60, 10, 4)]
    disks = [(rows - y) ** 2 + (columns - x) ** 2 <= r**2 for y, x, r in parts]
    mask = np.logical_or.reduce(disks)
    polygons, has_holes = polygons_of(encoded(mask))
    assert len(polygons) == 3 and not has_holes
    back = drawn(polygons, mask.shape)
    assert (back & mask).sum() / (back | mask).sum() > 0.98


def test_holes_are_filled_and_said() -> None:
    mask = np.zeros((30, 30), bool)
    mask[5:25, 5:25] = True
    filled = mask.copy()
    mask[10:20, 10:20] = False
    polygons, has_holes = polygons_of(encoded(mask))
    assert np.array_equal(drawn(polygons, mask.shape), filled) and has_holes


def test_a_mask_without_pixels_has_no_polygons() -> None:
    assert polygons_of(encoded(np.zeros((9, 9), bool))) == ([], False)
