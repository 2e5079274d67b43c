"""Tests features among the detections of an image against loops over pairs."""

import numpy as np
import pytest

from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.rescoring.features import context, image_groups
from msrcnn_mm.rescoring.features.context import NAMES, context_features
from tests.support.rescoring_scenes import plain_iou, random_results


def by_pairs(rows, masks, index):
    """Returns the features of one detection; ties are broken by position."""
    me, mine = rows[index], masks[index]
    found = dict.fromkeys(NAMES, 0.0)
    found["count_same"] = found["count"] = 1.0
    for place, (row, mask) in enumerate(zip(rows, masks, strict=True)):
        if place == index or row["image_id"] != me["image_id"]:
            continue
        above = (-row["score"], place) < (-me["score"], index)
        same = row["category_id"] == me["category_id"]
        iou = plain_iou(mine, mask)
        covered = (mine & mask).sum() / max(mine.sum(), 1)
        found["count"] += 1
        found["count_same"] += same
        found["rank"] += above
        found["rank_same"] += above and same
        found["neighbours"] += iou > 0.1
        if iou > found["best_iou_any"]:
            found["neighbour_score"] = row["score"]
        elif iou and iou == found["best_iou_any"]:
            found["neighbour_score"] = max(found["neighbour_score"], row["score"])
        found["best_iou_any"] = max(found["best_iou_any"], iou)
        found["covered_any"] = max(found["covered_any"], covered)
        if above:
            found["best_iou_above"] = max(found["best_iou_above"], iou)
            found["covered_above"] = max(found["covered_above"], covered)
            if same:
                found["best_iou_above_same"] = max(found["best_iou_above_same"], iou)
                found["sum_iou_above_same"] += iou
    return found


@pytest.mark.parametrize("seed", range(5))
def test_features_are_those_of_the_pairs(seed):
    rows, masks = random_results(seed, images=3, most=40)  # several blocks of IoUs
    columns = context_features(Detections.from_rows(rows))
    assert tuple(columns) == NAMES
    for index in range(len(rows)):
        for name, value in by_pairs(rows, masks, index).items():
            assert columns[name][index] == pytest.approx(value), name


def test_a_detection_alone_in_its_image():
    rows, _ = random_results(3, images=1, most=2)
    columns = context_features(Detections.from_rows(rows))
    ones = {name for name, values in columns.items() if values[0] == 1}
    assert ones == {"count", "count_same"}
    assert all(np.isfinite(values).all() for values in columns.values())


def test_images_of_many_detections_are_compared_in_blocks(monkeypatch):
    rows, _ = random_results(2, images=3, most=40)
    detections = Detections.from_rows(rows)
    at_once = context_features(detections)
    monkeypatch.setattr(image_groups, "MOST_PAIRS", 100)
    blocks = []
    original = context.in_processes
    monkeypatch.setattr(
        context,
        "in_processes",
        lambda f, items, what: original(f, blocks.append(items) or items, what),
    )
    in_blocks = context_features(detections)
    assert len(blocks[0]) > 10
    for name, values in at_once.items():
        assert np.array_equal(in_blocks[name], values), name
