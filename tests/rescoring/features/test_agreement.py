"""Tests agreement with views against loops over pairs."""

import json

import numpy as np
import pytest

from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.errors import UserError
from msrcnn_mm.rescoring.features import image_groups
from msrcnn_mm.rescoring.features.agreement import (
    NAMES,
    agreement,
    agreement_features,
    agreement_scores,
    kinds_in,
    read_agreement,
    with_agreement,
)
from msrcnn_mm.rescoring.features.views import View, found_again
from tests.support.rescoring_scenes import changed_view, plain_iou, random_results


@pytest.mark.parametrize("seed", range(6))
def test_agreement_is_that_of_the_pairs(seed):
    rows, masks = random_results(seed, images=5, most=30)
    view, moved = changed_view(seed, rows, masks)
    order = np.random.default_rng(seed).permutation(len(view))
    view, moved = [view[i] for i in order], [moved[i] for i in order]
    columns = agreement(Detections.from_rows(rows), Detections.from_rows(view))
    for index, (row, mask) in enumerate(zip(rows, masks, strict=True)):
        key = (row["image_id"], row["category_id"])
        others = [
            (plain_iou(mask, other), one["score"])
            for one, other in zip(view, moved, strict=True)
            if (one["image_id"], one["category_id"]) == key
        ]
        agreed, score = max(others, key=lambda o: o[0] * o[1] ** 0.5, default=(0.0, 0.0))
        assert columns["agreement"][index] == pytest.approx(agreed)
        assert columns["agreed_score"][index] == pytest.approx(score if agreed > 0.5 else 0)
        expected = max((iou * s for iou, s in others), default=0.0)
        assert columns["expected_agreement"][index] == pytest.approx(expected)


def test_a_view_that_is_the_same_agrees_wholly():
    rows, masks = random_results(1)
    detections = Detections.from_rows(rows)
    agreed = agreement(detections, detections)["agreement"]
    assert (agreed[[bool(mask.any()) for mask in masks]] == 1).all()


def test_scores_without_fitting():
    rows, masks = random_results(2)
    rows = [row | {"foreground_prob": 0.25} for row in rows[:-1]] + rows[-1:]
    detections = Detections.from_rows(rows)
    views = [
        agreement(detections, Detections.from_rows(changed_view(s, rows, masks)[0])) for s in (0, 1)
    ]
    agreed, consensus = agreement_scores(detections, views)
    factors = np.array([0.25] * (len(rows) - 1) + [1.0])
    mean = {k: (views[0][k] + views[1][k]) / 2 for k in views[0]}
    scores = detections.class_scores
    assert agreed == pytest.approx(scores * factors * mean["agreement"])
    assert consensus == pytest.approx(np.sqrt(scores * mean["expected_agreement"]) * factors)

    columns = agreement_features(detections, views)
    assert columns["consensus"] == pytest.approx(consensus)
    assert (columns["agreement_min"] == np.minimum(*(v["agreement"] for v in views))).all()
    assert columns["agreed_score"] == pytest.approx(mean["agreed_score"])
    assert "agreement_min" not in agreement_features(detections, views[:1])
    assert agreement_features(detections, []) == {}


def test_rows_carry_their_agreement():
    rows, _ = random_results(3, most=30)
    rows = [row | {"note": "kept"} for row in rows]
    detections = Detections.from_rows(rows)
    less_sure = ([row | {"score": row["score"] * part} for row in rows] for part in (0.9, 0.7))
    views = [View(f"{n}.json", Detections.from_rows(one)) for n, one in enumerate(less_sure)]
    found = agreement_features(detections, [agreement(detections, v.detections) for v in views])
    written = with_agreement(detections, views).to_rows()
    assert [row["consensus"] for row in written] == found["consensus"].tolist()
    assert [row["agreement_score"] for row in written] == found["agreement_score"].tolist()
    assert all(row["note"] == "kept" for row in written)
    entry = written[2]["view_agreement"]
    assert list(entry) == ["views", *NAMES]
    assert entry["views"] == ["scaled", "scaled"]

    again = json.loads(json.dumps(written))
    read = read_agreement(Detections.from_rows(again))
    assert read.keys() == found.keys()
    assert all((read[name] == found[name]).all() for name in found)
    assert (
        "agreement_min" not in with_agreement(detections, views[:1]).to_rows()[0]["view_agreement"]
    )
    assert kinds_in(detections) == [] and read_agreement(detections) == {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"views": ["mirrored"]}, "detection 1 has 'view_agreement' of the views mirrored, and"),
        ({"views": ["turned"]}, "detection 1 has 'view_agreement' without the list 'views'"),
        ({"views": []}, "without the list 'views'"),
        ({"agreement": "1"}, "whose agreement is '1', not a number from 0 to 1"),
        ({"agreed_score": None}, "whose agreed_score is None"),
        ({"expected_agreement": 1.5}, "whose expected_agreement is 1.5"),
        (None, "detection 1 has no 'view_agreement', which others have"),
    ],
)
def test_damaged_agreement_is_one_line(change, message):
    entry = {"views": ["scaled"], "agreement": 1, "agreed_score": 0.5, "expected_agreement": 0.5}
    rows, _ = random_results(3)
    rows = [row | {"view_agreement": entry} for row in rows]
    rows[1] = rows[1] | {"view_agreement": None if change is None else entry | change}
    with pytest.raises(UserError, match=message) as caught:
        read_agreement(Detections.from_rows(rows))
    assert "\n" not in str(caught.value)


def test_images_of_many_detections_are_compared_in_blocks(monkeypatch):
    rows, masks = random_results(2, images=3, most=40)
    detections = Detections.from_rows(rows)
    view = Detections.from_rows(changed_view(2, rows, masks)[0])
    at_once = agreement(detections, view), found_again(detections, view)
    monkeypatch.setattr(image_groups, "MOST_PAIRS", 100)
    assert len(image_groups.row_blocks(40, 40)) == 20
    in_blocks = agreement(detections, view), found_again(detections, view)
    assert at_once[1] == in_blocks[1] and at_once[1].found
    for name, values in at_once[0].items():
        assert np.array_equal(in_blocks[0][name], values), name
