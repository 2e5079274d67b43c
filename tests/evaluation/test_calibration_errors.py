"""Tests of LaECE_0, LaACE_0 and D-ECE against brute force and a case worked by hand."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msrcnn_mm.evaluation.calibration_errors import bin_numbers, dece, laace, laece
from tests.support.coco_scenes import (
    CATEGORIES,
    as_coco,
    detection,
    evaluate,
    random_scene,
    rectangle,
)
from tests.support.plain_matching import mean, of_class, plain_found


def plain_binned_error(scores: list[float], targets: list[float], bins: int) -> float:
    edges = np.linspace(0, 1, bins + 1)
    error = 0.0
    for number in range(bins):
        own = [
            i
            for i, score in enumerate(scores)
            if edges[number] < score <= edges[number + 1] or (number == 0 and score == 0)
        ]
        if own:
            difference = np.mean([scores[i] for i in own]) - np.mean([targets[i] for i in own])
            error += len(own) / len(scores) * abs(difference)
    return error


@given(seed=st.integers(0, 2**32 - 1), name=st.sampled_from(["score", "mask_score"]))
@settings(max_examples=40, deadline=None)
def test_equals_brute_force(seed: int, name: str) -> None:
    annotations, detections = random_scene(seed)
    scores = [d[name] for d in detections]
    coco = as_coco(annotations, num_images=3)
    evaluation = evaluate(coco, detections)
    key = "class_score" if name == "score" else name
    if key not in evaluation.calibration_errors:
        assert not detections
        return
    ours = evaluation.calibration_errors[key]
    any_overlap = plain_found(annotations, detections, scores, 0.0)
    half = plain_found(annotations, detections, scores, 0.5)
    matched = evaluation.detections.matched_ious[key]
    assert [None if np.isnan(v) else v for v in matched] == pytest.approx(any_overlap)
    with_truth = {a["category_id"] for a in annotations if not a["iscrowd"]}
    laeces, laaces, pooled = [], [], []
    for category_id in sorted(with_truth):
        own: Any = of_class(detections, any_overlap, category_id)
        pooled += of_class(detections, half, category_id)
        if own:
            predicted, true = [scores[i] for i in own], [any_overlap[i] for i in own]
            laeces.append(plain_binned_error(predicted, true, 25))
            laaces.append(float(np.mean(np.abs(np.subtract(predicted, true)))))
    assert ours.laece == pytest.approx(mean(laeces))
    assert ours.laace == pytest.approx(mean(laaces))
    correct = [float((half[i] or 0) > 0) for i in pooled]
    expected = plain_binned_error([scores[i] for i in pooled], correct, 10) if pooled else None
    assert ours.dece == pytest.approx(expected)
    for one in evaluation.classes:
        assert (one.scores[key].laece is None) == (
            one.category_id not in with_truth
            or not of_class(detections, any_overlap, one.category_id)
        )


def test_a_case_worked_by_hand() -> None:
    """Scores .10 and .11 share a bin of LaECE; no two share one of D-ECE."""
    scores = np.array([0.10, 0.11, 0.85, 0.95])
    ious = np.array([0.0, 0.5, 0.6, 0.9])
    # bins of 0.04: (.08, .12] holds two, whose errors +.10 and -.39 meet; the others are alone
    assert laece(scores, ious) == pytest.approx((0.29 + 0.25 + 0.05) / 4)
    assert laace(scores, ious) == pytest.approx((0.10 + 0.39 + 0.25 + 0.05) / 4)
    # bins of 0.1: (0, .1], (.1, .2], (.8, .9], (.9, 1]
    correct = np.array([0.0, 1, 1, 1])
    assert dece(scores, correct) == pytest.approx((0.10 + 0.89 + 0.15 + 0.05) / 4)


def test_scores_that_equal_the_iou_have_no_error_and_their_double_has() -> None:
    ious = np.random.default_rng(0).uniform(0, 0.5, 300)
    assert laece(ious, ious) == laace(ious, ious) == 0
    assert laece(2 * ious, ious) == pytest.approx(ious.mean())


def test_edges_belong_to_the_bin_below_and_0_to_the_first() -> None:
    assert bin_numbers(np.array([0.0, 0.1, 0.11, 0.5, 1.0]), 10).tolist() == [0, 0, 1, 4, 9]


def test_no_detections() -> None:
    nothing = np.zeros(0)
    assert laece(nothing, nothing) is laace(nothing, nothing) is dece(nothing, nothing) is None


def test_a_mask_that_touches_nothing_takes_no_instance_away() -> None:
    """With IoU >= 0 as the condition, the first would find the instance, and the second none."""
    annotations, _ = random_scene(0)
    truth = annotations[0] | {
        "segmentation": detection(10, rectangle(0, 0, 50, 50), 1)["segmentation"],
        "image_id": 10,
        "category_id": 3,
        "iscrowd": 0,
    }
    coco = as_coco([truth], 1, {3: CATEGORIES[3]})
    found = [
        detection(10, rectangle(80, 80, 99, 99), 0.9),
        detection(10, rectangle(0, 0, 50, 40), 0.8),
    ]
    evaluation = evaluate(coco, found)
    assert evaluation.detections.matched_ious["class_score"].tolist() == [0.0, 0.8]
    assert evaluation.calibration_errors["class_score"].laace == pytest.approx((0.9 + 0) / 2)


def test_scores_outside_0_to_1_rank_and_have_no_calibration() -> None:
    annotations, detections = random_scene(4)
    coco = as_coco(annotations, 3)
    wild = [d | {"mask_score": d["mask_score"] - 0.5} for d in detections]
    evaluation = evaluate(coco, wild)
    assert "mask_score" in evaluation.rankings and "mask_score" not in evaluation.calibration_errors
    assert any("the mask score goes from -" in note for note in evaluation.notes)
    logits = [d | {"score": 9 * d["score"]} for d in detections]
    evaluation = evaluate(coco, logits)
    assert "oracle" not in evaluation.rankings
    assert "class_score" not in evaluation.calibration_errors
    assert any("there is no oracle" in note for note in evaluation.notes)
