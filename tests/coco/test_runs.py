"""Tests runs against masks decoded by pycocotools."""

import numpy as np
import pycocotools.mask as mask_utils
import pytest

from msrcnn_mm.coco.rle import measure
from msrcnn_mm.coco.runs import decode_runs, encode_runs, mirror, moved, segments
from tests.support.coco_scenes import encode
from tests.support.rescoring_scenes import random_masks

SEEDS = range(5)


@pytest.mark.parametrize("seed", SEEDS)
def test_runs_are_those_of_the_mask(seed):
    masks = random_masks(seed)
    counts = [encode(mask)["counts"] for mask in masks]
    runs, bounds = decode_runs(counts)
    for number, mask in enumerate(masks):
        own = runs[bounds[number] : bounds[number + 1]]
        pixels = np.repeat(np.arange(len(own)) % 2, own)
        assert (pixels == mask.ravel(order="F")).all()
    assert encode_runs(runs, bounds) == counts


def test_long_runs():
    mask = np.zeros((3000, 4000), np.uint8)
    mask[1000:1010, 500:3500] = 1
    mask[:, 3999] = 1
    counts = [encode(mask)["counts"], encode(1 - mask)["counts"]]
    runs, bounds = decode_runs(counts)
    assert runs[: bounds[1]].sum() == runs[bounds[1] :].sum() == mask.size
    assert encode_runs(runs, bounds) == counts


@pytest.mark.parametrize("seed", SEEDS)
def test_a_mirrored_mask_has_its_columns_reversed(seed):
    masks = random_masks(seed)
    mirrored = mirror([encode(mask) for mask in masks])
    assert mirrored == [encode(mask[:, ::-1]) for mask in masks]


def test_mirroring_twice_changes_nothing():
    rles = [encode(mask) for mask in random_masks(9, 600)]  # several chunks
    assert mirror(mirror(rles)) == rles
    assert mirror([]) == []
    sizes = [rle["size"][0] * rle["size"][1] for rle in rles]
    assert (measure([rle["counts"] for rle in mirror(rles)], sizes)[0] >= 0).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_segments_make_up_the_mask(seed):
    masks = random_masks(seed)
    found = segments([encode(mask) for mask in masks])
    drawn = [np.zeros_like(mask) for mask in masks]
    for mask, column, top, bottom in zip(
        found.mask, found.column, found.top, found.bottom, strict=True
    ):
        assert top < bottom
        drawn[mask][top:bottom, column] += 1
    for one, mask in zip(drawn, masks, strict=True):
        assert (one == mask).all()


def test_an_encoding_whose_last_run_is_empty():
    rle = mask_utils.frPyObjects({"size": [2, 2], "counts": [1, 3, 0]}, 2, 2)
    whole = {"size": [2, 2], "counts": rle["counts"].decode()}
    (back,) = mirror([whole])
    assert (mask_utils.decode(back) == np.array([[1, 0], [1, 1]])).all()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("right", "down"), [(0, 0), (7, -3), (-5, 11), (-2, -2), (500, 0)])
def test_a_moved_mask_loses_what_is_outside(seed, right, down):
    height, width = 30, 40
    masks = random_masks(seed)
    expected = []
    for mask in masks:
        canvas = np.zeros((2000, 2000), np.uint8)
        rows, columns = 600 + down, 600 + right
        canvas[rows : rows + mask.shape[0], columns : columns + mask.shape[1]] = mask
        expected.append(encode(canvas[600 : 600 + height, 600 : 600 + width]))
    assert moved([encode(mask) for mask in masks], right, down, height, width) == expected
    assert moved([], right, down, height, width) == []
