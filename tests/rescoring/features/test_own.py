"""Tests features of single detections against counting pixels."""

import numpy as np
import pytest

from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.errors import UserError
from msrcnn_mm.rescoring.features.own import MASK_STATISTICS, own_features
from tests.support.rescoring_scenes import random_results


def edges(mask: np.ndarray) -> int:
    """Returns the number of pixel edges between the mask and the rest."""
    padded = np.pad(mask, 1).astype(int)
    return int(np.abs(np.diff(padded, axis=0)).sum() + np.abs(np.diff(padded, axis=1)).sum())


def by_counting(mask: np.ndarray, box: list[float]) -> dict[str, float]:
    height, width = mask.shape
    ys, xs = np.nonzero(mask)
    area = len(ys)
    x1, y1, x2, y2 = xs.min(), ys.min(), xs.max() + 1, ys.max() + 1
    own = (x2 - x1) * (y2 - y1)
    bx, by, bw, bh = box
    across = max(0, min(x2, bx + bw) - max(x1, bx)) * max(0, min(y2, by + bh) - max(y1, by))
    columns = np.diff(np.pad(mask, ((1, 0), (0, 0))).astype(int), axis=0) == 1
    return {
        "log_area": np.log(area),
        "log_image_share": np.log(mask.mean()),
        "log_aspect": np.log((x2 - x1) / (y2 - y1)),
        "mask_fill": area / own,
        "box_fill": area / (bw * bh),
        "box_iou": across / (own + bw * bh - across),
        "edge_distance": min(x1, y1, width - x2, height - y2) / own**0.5,
        "perimeter": edges(mask) / area**0.5,
        "segments_per_column": columns.sum() / (x2 - x1),
    }


@pytest.mark.parametrize("seed", range(5))
def test_shapes(seed):
    rows, masks = random_results(seed, images=8)
    columns = own_features(Detections.from_rows(rows))
    for index, (row, mask) in enumerate(zip(rows, masks, strict=True)):
        if mask.any():
            for name, value in by_counting(mask, row["bbox"]).items():
                assert columns[name][index] == pytest.approx(value), name
        else:
            assert np.isnan(columns["log_area"][index])
            assert np.isnan(columns["box_iou"][index])


def test_results_with_masks_and_scores_only():
    rows, _ = random_results(0)
    bare = [{k: v for k, v in row.items() if k != "bbox"} for row in rows]
    columns = own_features(Detections.from_rows(bare))
    assert {"class_score", "log_area", "perimeter"} <= columns.keys()
    assert not {"box_iou", "box_fill", "foreground_prob", "mask_iou"} & columns.keys()


def test_an_image_has_the_features_of_all_images():
    """A feature that is undefined for all masks of an image is NaN there, not absent."""
    rows, _ = random_results(0, images=30, most=3)
    rows = [row | {"mask_statistics": {"entropy": 0.1}} for row in rows]
    whole = own_features(Detections.from_rows(rows))
    assert any(np.isnan(column).any() for column in whole.values())
    for image in range(30):
        here = [i for i, row in enumerate(rows) if row["image_id"] == image]
        if here:
            columns = own_features(Detections.from_rows([rows[i] for i in here]))
            assert columns.keys() == whole.keys()
            for name, column in columns.items():
                np.testing.assert_array_equal(column, whole[name][here])


def test_scores_and_statistics_are_taken_from_the_rows():
    rows, _ = random_results(1)
    rows[0] |= {"foreground_prob": 0.9, "mask_iou": 0.7, "mask_statistics": {"entropy": 0.25}}
    columns = own_features(Detections.from_rows(rows))
    for name, value in {"foreground_prob": 0.9, "mask_iou": 0.7, "entropy": 0.25}.items():
        assert columns[name][0] == value
        assert np.isnan(columns[name][1:]).all()
    assert [name for name in MASK_STATISTICS if name in columns] == ["entropy"]


@pytest.mark.parametrize("statistics", [[0.5], "high", {"entropy": "high"}, {"entropy": True}])
def test_statistics_that_are_no_numbers(statistics):
    rows, _ = random_results(1)
    rows[2]["mask_statistics"] = statistics
    with pytest.raises(UserError, match=r"detection 2 has .* whose .* is no number"):
        own_features(Detections.from_rows(rows))
