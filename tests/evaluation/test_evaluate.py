"""Tests of the whole evaluation: gap, shares, classes, notes and refusals."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.errors import UserError
from msrcnn_mm.evaluation.calibration_errors import dece
from msrcnn_mm.evaluation.evaluate import evaluate_scores
from msrcnn_mm.evaluation.evaluation_result import as_json
from msrcnn_mm.evaluation.summaries import score_table
from msrcnn_mm.evaluation.true_ious import quality_ious, true_ious
from tests.support.coco_scenes import (
    CATEGORIES,
    annotation,
    as_coco,
    detection,
    evaluate,
    plain_pycocotools,
    protocol,
    random_scene,
    rectangle,
    worked_scene,
)

MASK = rectangle(10, 10, 50, 50)
GOOD = detection(10, MASK, 0.9, mask_iou=0.8)


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=15, deadline=None)
def test_each_class_is_an_evaluation_of_that_class_alone(seed: int) -> None:
    annotations, detections = random_scene(seed)
    coco = as_coco(annotations, num_images=3)
    evaluation = evaluate(coco, detections)
    for one in evaluation.classes:
        alone = replace(protocol(coco), category_ids=[one.category_id])
        expected = evaluate(coco, detections, alone)
        for name, ranking in one.rankings.items():
            if name != "quality_oracle":  # its mean true IoU is over all classes
                same = replace(ranking, recovered_share=expected.rankings[name].recovered_share)
                assert same == expected.rankings[name]
        assert one.oracle_gap == expected.oracle_gap
        assert one.instances == expected.instances
        assert one.name == CATEGORIES[one.category_id]


@given(seed=st.integers(0, 2**32 - 1))
@example(seed=25376)
@settings(max_examples=30, deadline=None)
def test_quality_ious_as_mask_ious_recover_everything_and_ones_recover_nothing(seed: int) -> None:
    annotations, detections = random_scene(seed)
    assume(detections)  # no detection carries no mask score either
    coco = as_coco(annotations, num_images=3)
    perfect = quality_ious(true_ious(coco, Detections.from_rows(detections)))
    for expected, mask_ious in ((1.0, perfect), (0.0, np.ones(len(detections)))):
        scored = [
            d | {"mask_score": d["score"] * iou}
            for d, iou in zip(detections, mask_ious, strict=True)
        ]
        share = evaluate(coco, scored).rankings["mask_score"].recovered_share["AP"]
        assert share is None or share == pytest.approx(expected, abs=1e-9)


def test_recovered_share_of_a_case_worked_by_hand() -> None:
    coco, detections = worked_scene()
    alone = 51 / 101
    # C (0.9), B (0.8), A (0.7). First threshold: wrong, right, right; then: wrong, wrong, right.
    class_score = (2 / 3 + 9 * alone / 3) / 10
    # B (0.72), A (0.56), C (0.09). Right, right, wrong; then: wrong, right, wrong.
    mask_score = (1 + 9 * alone / 2) / 10
    # A (0.7), C (0.675), B (0.4): C, of no object, has the mean of 1 and 0.5.
    quality_oracle = ((51 + 50 * 2 / 3) / 101 + 9 * alone) / 10
    # A (0.7), B (0.4), C (0). Right, right, wrong; then: right, wrong, wrong.
    oracle = (1 + 9 * alone) / 10
    evaluation = evaluate(coco, detections)
    rankings = evaluation.rankings
    measured = [rankings[name].ap["AP"] for name in ("class_score", "mask_score", "oracle")]
    assert measured == pytest.approx([class_score, mask_score, oracle], abs=1e-12)
    assert rankings["quality_oracle"].ap["AP"] == pytest.approx(quality_oracle, abs=1e-12)
    # A (1), B (0.1), C (0): the oracle's order
    assert evaluation.detections.tp_shares.tolist() == [1, 0.1, 0]
    assert rankings["tp_share"].ap == rankings["oracle"].ap
    assert evaluation.oracle_gap["AP"] == pytest.approx(oracle - class_score)
    assert evaluation.quality_gap["AP"] == pytest.approx(quality_oracle - class_score)
    assert evaluation.false_alarm_gap["AP"] == pytest.approx(oracle - quality_oracle)
    assert rankings["mask_score"].recovered_share["AP"] == pytest.approx(
        (mask_score - class_score) / (quality_oracle - class_score)
    )
    assert rankings["class_score"].recovered_share["AP"] == 0
    assert rankings["quality_oracle"].recovered_share["AP"] == 1
    assert rankings["class_score"].ap_by_iou == pytest.approx([2 / 3] + [alone / 3] * 9)


def test_no_gap_has_no_share() -> None:
    coco, (a, _, _) = worked_scene()
    evaluation = evaluate(coco, [a])
    assert evaluation.oracle_gap["AP"] == evaluation.quality_gap["AP"] == 0
    assert evaluation.rankings["mask_score"].recovered_share["AP"] is None
    assert "recovered share: undefined, the quality oracle gains nothing" in score_table(evaluation)


def test_no_ground_truth_is_undefined_not_zero() -> None:
    coco = as_coco([], num_images=1)
    evaluation = evaluate(coco, worked_scene()[1][:1])
    for ranking in evaluation.rankings.values():
        assert set(ranking.ap.values()) == set(ranking.recovered_share.values()) == {None}
    assert set(evaluation.oracle_gap.values()) == {None}
    assert "there is no ground truth: no AP is defined" in evaluation.notes
    assert "undefined, there is no ground truth" in score_table(evaluation)


def test_an_annotation_with_the_id_0_counts_as_in_pycocotools_and_is_noted() -> None:
    annotations, detections = random_scene(4)
    annotations[0]["id"] = 0
    coco = as_coco(annotations, 3)
    evaluation = evaluate(coco, detections)
    plain = plain_pycocotools(coco, detections, [d["score"] for d in detections])
    ours = evaluation.rankings["class_score"]
    assert [-1 if v is None else v for v in ours.ap.values()] == plain[:6].tolist()
    assert any("has the id 0" in note for note in evaluation.notes)


def test_a_detection_that_fits_nothing() -> None:
    coco = as_coco([annotation(1, 10, MASK)], 1)
    with pytest.raises(UserError, match=r"^detection 1 is of image 99, which the annotations do"):
        evaluate(coco, [GOOD, GOOD | {"image_id": 99}])


def test_two_annotations_with_one_id() -> None:
    coco = as_coco([annotation(7, 10, MASK), annotation(7, 10, rectangle(0, 0, 5, 5))], 1)
    with pytest.raises(UserError, match="two annotations have the id 7"):
        evaluate(coco, [GOOD])


def test_an_annotation_without_area() -> None:
    coco = as_coco([annotation(1, 10, MASK)], 1)
    del coco.anns[1]["area"]
    with pytest.raises(UserError, match="annotation 1 has no 'area'"):
        evaluate(coco, [GOOD])


def test_no_detections_miss_everything_and_no_figure_is_made_up() -> None:
    evaluation = evaluate(as_coco([annotation(1, 10, MASK)], 1), [])
    assert evaluation.rankings["class_score"].ap["AP"] == 0
    assert evaluation.lrp["class_score"].every.error == 1
    assert evaluation.calibration_errors["class_score"].laece is None
    assert "there are no detections" in evaluation.notes


def test_nothing_but_crowds_is_no_ground_truth() -> None:
    evaluation = evaluate(as_coco([annotation(1, 10, MASK, iscrowd=1)], 1), [GOOD])
    assert evaluation.rankings["oracle"].ap["AP"] is None
    assert evaluation.lrp["class_score"].every.error is None
    assert np.isnan(evaluation.detections.matched_ious["class_score"]).all()


def test_detections_of_classes_and_images_that_do_not_count_are_left_out() -> None:
    coco = as_coco([annotation(1, 10, MASK)], 2)
    stray = GOOD | {"category_id": 99}
    evaluation = evaluate(coco, [stray, GOOD])
    assert evaluation.rankings["class_score"].ap["AP"] == pytest.approx(1)
    assert np.isnan(evaluation.detections.true_ious).tolist() == [True, False]
    assert "1 detections are of classes or images that do not count" in evaluation.notes


def test_json_holds_everything_and_no_nan() -> None:
    annotations, detections = random_scene(4)
    evaluation = evaluate(as_coco(annotations, 3), detections, boundary=True)
    read = json.loads(json.dumps(as_json(evaluation), allow_nan=False))
    assert read["rankings"]["oracle"]["ap"] == evaluation.rankings["oracle"].ap
    assert read["classes"][0]["scores"]["mask_score"]["lrp"]["optimal"]["error"] is not None
    assert len(read["detections"]["matched_ious"]["mask_score"]) == len(detections)
    assert len(read["detections"]["tp_shares"]) == len(detections)
    assert read["resamples"] is None  # of three images


def test_calibration_of_a_rescored_score_is_that_of_what_it_expects() -> None:
    coco, rows = worked_scene()
    rescored = replace(Detections.from_rows(rows), rescored_scores=np.array([0.2, 0.5, 0.8]))
    ious, precisions = np.linspace(0.9, 0.5, len(rows)), np.linspace(0.3, 0.6, len(rows))
    both = replace(rescored, expected_ious=ious, expected_precisions=precisions)
    plain, expected = (evaluate_scores(coco, one, protocol(coco)) for one in (rescored, both))
    assert expected.rankings == plain.rankings
    assert expected.lrp == plain.lrp
    matched = np.asarray(plain.detections.matched_ious["rescored_score"])
    errors, own = (one.calibration_errors["rescored_score"] for one in (expected, plain))
    assert errors.laace == pytest.approx(np.abs(ious - matched).mean())
    assert own.laace == pytest.approx(np.abs(rescored.rescored_scores - matched).mean())
    assert errors.dece == pytest.approx(dece(precisions, (matched >= 0.5).astype(float)))
    assert expected.laece_intervals["rescored_score"].value == errors.laece
    assert "expected IoU" in score_table(expected)
    assert "expected IoU" not in score_table(plain)
