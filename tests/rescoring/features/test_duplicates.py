"""Tests the counts of near-duplicates against a loop over pairs."""

import numpy as np
import pytest

from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.rescoring.features import duplicates
from msrcnn_mm.rescoring.features.duplicates import near_duplicates, warn_of_duplicates
from tests.support.rescoring_scenes import plain_iou, random_results


@pytest.mark.parametrize("seed", range(3))
def test_the_counts_are_those_of_the_pairs(seed, monkeypatch):
    rows, masks = random_results(seed, images=6, most=20, classes=2)
    rng = np.random.default_rng(seed)
    for i in rng.integers(len(rows), size=len(rows) // 2):  # the same once more, with less score
        rows.append(rows[i] | {"score": rows[i]["score"] * float(rng.choice([0.02, 0.9]))})
        masks.append(masks[i])
    repeated = total = 0
    for i, row in enumerate(rows):
        if row["score"] < 0.05:
            continue
        total += 1
        repeated += any(
            (one["image_id"], one["category_id"]) == (row["image_id"], row["category_id"])
            and (-one["score"], j) < (-row["score"], i)
            and plain_iou(masks[i], masks[j]) > 0.7
            for j, one in enumerate(rows)
        )
    detections = Detections.from_rows(rows)
    assert 0 < repeated < total
    assert near_duplicates(detections) == (repeated, total)
    monkeypatch.setattr(duplicates, "_IMAGES", 3)
    alternate = sorted({row["image_id"] for row in rows if row["score"] >= 0.05}, key=first(rows))
    some = Detections.from_rows([r for r in rows if r["image_id"] in alternate[::2]])
    assert near_duplicates(detections) == near_duplicates(some)


def first(rows):
    """Returns a function that gives an image's first place among the rows that count."""
    counted = [row["image_id"] for row in rows if row["score"] >= 0.05]
    return counted.index


def test_many_are_warned_of(capsys):
    rows = random_results(0)[0]
    single = {(row["image_id"], row["category_id"]): row for row in rows}
    warn_of_duplicates(Detections.from_rows(list(single.values())), "r.json")
    warn_of_duplicates(Detections.from_rows([]), "r.json")
    assert capsys.readouterr().err == ""
    full = {"segmentation": {"size": [4, 4], "counts": "0`0"}}
    twice = [row | full for row in single.values() for _ in range(2)]
    warn_of_duplicates(Detections.from_rows(twice), "r.json")
    (line,) = capsys.readouterr().err.splitlines()
    assert "r.json: 50% of the detections" in line
