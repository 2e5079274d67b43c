"""Run lengths against pycocotools."""

from typing import Any

import numpy as np
import pycocotools.mask as coco_masks
import pytest

from msrcnn_mm.rle import rle_runs


@pytest.mark.parametrize("seed", range(20))
def test_run_lengths_are_those_that_pycocotools_wrote(seed: int) -> None:
    rng = np.random.default_rng(seed)
    mask = np.asfortranarray(rng.random((37, 53)) < rng.choice([0.01, 0.5, 0.99]), np.uint8)
    encoded = coco_masks.encode(mask)["counts"].decode()
    flat = mask.ravel(order="F")
    changes = np.flatnonzero(np.diff(flat)) + 1
    expected = np.diff(np.concatenate(([0], changes, [flat.size])))
    runs = rle_runs(encoded)
    assert runs is not None
    # an RLE begins with the background, be it of no pixels
    assert runs.tolist() == ([0] if flat[0] else []) + expected.tolist()


@pytest.mark.parametrize(
    "counts",
    [
        "",
        "a~",
        "\u00e4",
        "\ud800",
        [],
        ["5", "6"],
        [5, "6"],
        [[5], 6],
        [5.0],
        [5, -1],
        [True],
        [10**30],
    ],
)
def test_what_is_no_rle(counts: Any) -> None:
    assert rle_runs(counts) is None


def test_run_lengths_of_a_list_are_itself() -> None:
    runs = rle_runs([0, 5, 6])
    assert runs is not None
    assert runs.tolist() == [0, 5, 6]
