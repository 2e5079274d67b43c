"""Tests agreement with views against loops over pairs."""

import numpy as np
import pytest

from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.rescoring.features.agreement import agreement, agreement_features, agreement_scores
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
