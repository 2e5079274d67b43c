"""Tests of reading polygons and run-length encodings."""

from math import cos, pi, sin
from typing import Any

import numpy as np
import pycocotools.mask as mask_utils
import pytest

from msrcnn_mm.coco.annotations import AnnotationFile
from msrcnn_mm.coco.segmentations import SegmentationError, as_rle, read_segmentation
from msrcnn_mm.errors import UserError
from tests.support.coco_scenes import SIDE, annotation, coco_dict, encode, rectangle

BLOBS = rectangle(10, 10, 60, 50) | rectangle(5, 70, 100, 90)
OUTLINE = [10, 10, 60, 10, 60, 50, 10, 50]
OTHER = [5, 70, 100, 70, 100, 90, 5, 90]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "segmentation is null, without an outline: give one"),
        ([], "segmentation is [], without an outline"),
        ({}, "segmentation is {}, without an outline"),
        ("abc", "segmentation is 'abc': write polygons"),
        (7, "segmentation is 7: write polygons"),
        (True, "segmentation is True: write polygons"),
        ([None], "segmentation has a polygon None: write polygons"),
        (["1 2 3 4 5 6"], "segmentation has a polygon '1 2 3 4 5 6': write polygons"),
        ([{"size": [1, 1], "counts": [1]}], "segmentation has an RLE in a list: write the RLE"),
        ([[]], "segmentation has no polygon of three points"),
        ([[1, 2, 3, 4]], "segmentation has no polygon of three points"),
        ([1, 2, 3, 4], "segmentation has no polygon of three points"),
        ([OUTLINE[:-1]], "segmentation has a polygon of 7 numbers"),
        ([OUTLINE, OUTLINE[:-1]], "segmentation has a polygon of 7 numbers"),
        ([["a", 2, 3, 4, 5, 6]], "segmentation has a polygon with coordinates that are not finite"),
        (["a", 2, 3, 4, 5, 6], "segmentation has a polygon 'a'"),
        ([[1, 2, None, 4, 5, 6]], "segmentation has a polygon with coordinates"),
        ([[1, 2, float("nan"), 4, 5, 6]], "segmentation has a polygon with coordinates"),
        ([[1, 2, float("inf"), 4, 5, 6]], "segmentation has a polygon with coordinates"),
        ([[1, 2, 10**400, 4, 5, 6]], "segmentation has a polygon with coordinates"),
        ([[[1, 2], [3, 4], [5, 6]]], "segmentation has points as lists, [[1, 2], [3, 4], [5, 6]]"),
        ([[1, 2], [3, 4], [5, 6]], "segmentation has points as lists, [[1, 2], [3, 4], [5, 6]]"),
        ([[1, 2, 1e18, 4, 5, 6]], "segmentation has a polygon far outside the image"),
        ([[1, 2, 3, 4, 5, -1e4]], "segmentation has a polygon far outside the image"),
        ({"counts": 5}, "segmentation has the keys ['counts']: write polygons"),
        ({"size": [9, 9]}, "segmentation has the keys ['size']: write polygons"),
        ({"counts": None, "size": [SIDE, SIDE]}, "segmentation has the keys"),
        (
            {"counts": [81], "size": [9, 9]},
            "segmentation is an RLE of the size (height, width) = [",
        ),
        ({"counts": [81], "size": None}, "segmentation is an RLE without size"),
        ({"counts": [81]}, "segmentation is an RLE without size: add [120, 120]"),
        ({"counts": encode(BLOBS)["counts"][:-7], "size": [SIDE, SIDE]}, "segmentation is a damag"),
        ({"counts": "a~", "size": [SIDE, SIDE]}, "segmentation is a damaged RLE"),
        ({"counts": "", "size": [SIDE, SIDE]}, "segmentation is a damaged RLE"),
        ({"counts": [], "size": [SIDE, SIDE]}, "segmentation is a damaged RLE"),
        ({"counts": [5, 6], "size": [SIDE, SIDE]}, "segmentation is a damaged RLE"),
        ({"counts": ["5", SIDE**2 - 5], "size": [SIDE, SIDE]}, "segmentation is a damaged RLE"),
        ({"counts": [[5], SIDE**2 - 5], "size": [SIDE, SIDE]}, "segmentation is a damaged RLE"),
        ({"counts": [5.5, SIDE**2 - 5.5], "size": [SIDE, SIDE]}, "segmentation is a damaged RLE"),
        ({"counts": [-5, SIDE**2 + 5], "size": [SIDE, SIDE]}, "segmentation is a damaged RLE"),
    ],
)
def test_masks_that_cannot_be_read_get_one_line(value: Any, message: str) -> None:
    entry = annotation(1, 10, BLOBS) | {"segmentation": value}
    file = AnnotationFile("gt.json", coco_dict([entry], 1))
    with pytest.raises(UserError) as caught:
        file.complete(masks=True)
    assert str(caught.value).startswith(f"gt.json: annotation 1 (in 0.png): {message}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "mask"),
    [
        ([OUTLINE], rectangle(10, 10, 60, 50)),
        (OUTLINE, rectangle(10, 10, 60, 50)),
        ([OUTLINE, OTHER], BLOBS),
        ([[1, 2], OUTLINE, [1, 2, 3, 4], OTHER], BLOBS),
        (encode(BLOBS), BLOBS),
        (encode(BLOBS) | {"size": [float(SIDE), float(SIDE)]}, BLOBS),
        (encode(BLOBS) | {"format": "coco"}, BLOBS),
        ({"size": [SIDE, SIDE], "counts": [0.0, float(SIDE**2)]}, np.ones_like(BLOBS)),
        ({"size": [SIDE, SIDE], "counts": [SIDE**2]}, np.zeros_like(BLOBS)),
    ],
)
def test_masks_that_can_be_read(value: Any, mask: np.ndarray) -> None:
    entry = annotation(1, 10, BLOBS) | {"segmentation": value}
    file = AnnotationFile("gt.json", coco_dict([entry], 1))
    file.complete(masks=True)
    coco = file.coco()
    np.testing.assert_array_equal(coco.annToMask(coco.anns[1]), mask)
    rle = as_rle(read_segmentation(value, SIDE, SIDE)[0], SIDE, SIDE)
    np.testing.assert_array_equal(mask_utils.decode(rle), mask)
    assert isinstance(rle["counts"], str)


@pytest.mark.parametrize(
    ("polygon", "height", "width", "problem"),
    [
        ([0, 0, 0, 10**9, 3, 10**9, 3, 0], 10**9, 4, "far outside"),  # overflows fifths of pixels
        ([0, 0, 0, 4 * 10**8, 3, 4 * 10**8, 3, 0], 10**9, 4, "outline is longer than"),
        ([0, 0, 10**8, 0] * 500, 4, 10**8, "outline is longer than"),
        ([0, 0, 60_000, 60_000] * 2000, 60_000, 60_000, "outline is longer than"),
    ],
)
def test_polygons_at_which_pycocotools_crashes_are_refused(
    polygon: list[float], height: int, width: int, problem: str
) -> None:
    with pytest.raises(SegmentationError, match=problem):
        read_segmentation([polygon], height, width)


def test_a_ragged_outline_of_a_large_image_is_read() -> None:
    turn = [i * 2 * pi / 20_000 for i in range(20_000)]
    polygon = [c for t in turn for c in (30_000 * (1 + cos(t)), 30_000 * (1 + sin(t)))]
    assert read_segmentation([polygon], 60_000, 60_000) == ([polygon], 0)
