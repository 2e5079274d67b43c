"""APs and recalls against plain pycocotools; gap and share against a case worked by hand."""

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO

from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.evaluation.average_precision import average_precisions
from msrcnn_mm.evaluation.evaluate import evaluate_scores
from msrcnn_mm.evaluation.protocol import Protocol
from msrcnn_mm.evaluation.summaries import score_table
from msrcnn_mm.evaluation.true_ious import true_ious
from tests.support.coco_scenes import (
    CATEGORIES,
    annotation,
    as_coco,
    detection,
    plain_pycocotools,
    random_scene,
    rectangle,
)

IOU_THRS = np.linspace(0.5, 0.95, 10)


def protocol(coco: COCO, max_dets: tuple[int, ...] = (1, 10, 100)) -> Protocol:
    at = 100 if 100 in max_dets else max_dets[-1]
    return Protocol(coco.getCatIds(), coco.getImgIds(), max_dets, at, IOU_THRS)


@given(
    seed=st.integers(0, 2**32 - 1),
    iou_type=st.sampled_from(["segm", "bbox"]),
    max_dets=st.sampled_from([(1, 10, 100), (1, 2, 100), (100, 300, 1000)]),
)
@settings(max_examples=80, deadline=None)
def test_equals_pycocotools(seed: int, iou_type: str, max_dets: tuple[int, ...]) -> None:
    annotations, detections = random_scene(seed)
    assume(detections)  # pycocotools cannot load none
    coco = as_coco(annotations, num_images=3)
    scores = [d["mask_score"] for d in detections]
    ours = average_precisions(
        coco, Detections.from_rows(detections), scores, protocol(coco, max_dets), iou_type
    )
    plain = plain_pycocotools(coco, detections, scores, max_dets, iou_type)[:6]
    assert ours.tolist() == plain.tolist()  # to the last bit


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_each_ranking_is_pycocotools_with_the_score_replaced(seed: int) -> None:
    annotations, detections = random_scene(seed)
    assume(detections)
    coco = as_coco(annotations, num_images=3)
    evaluation = evaluate_scores(coco, Detections.from_rows(detections))
    class_scores = np.array([d["score"] for d in detections])
    true = true_ious(coco, Detections.from_rows(detections))
    assert evaluation.detections.true_ious.tolist() == true.tolist()
    for name, scores in (
        ("class_score", class_scores),
        ("mask_score", [d["mask_score"] for d in detections]),
        ("maskness", class_scores * [d["foreground_prob"] for d in detections]),
        ("oracle", class_scores * true),
    ):
        ours = evaluation.rankings[name]
        twelve = [-1 if v is None else v for v in (*ours.ap.values(), *ours.ar.values())]
        assert twelve == plain_pycocotools(coco, detections, scores).tolist()


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=15, deadline=None)
def test_each_class_is_an_evaluation_of_that_class_alone(seed: int) -> None:
    annotations, detections = random_scene(seed)
    coco = as_coco(annotations, num_images=3)
    evaluation = evaluate_scores(coco, Detections.from_rows(detections))
    for one in evaluation.classes:
        alone = Protocol([one.category_id], coco.getImgIds(), (1, 10, 100), 100, IOU_THRS)
        expected = evaluate_scores(coco, Detections.from_rows(detections), alone)
        assert one.rankings == expected.rankings
        assert one.oracle_gap == expected.oracle_gap
        assert one.instances == expected.instances
        assert one.name == CATEGORIES[one.category_id]


@given(seed=st.integers(0, 2**32 - 1))
@example(seed=25376)
@settings(max_examples=30, deadline=None)
def test_true_ious_as_mask_ious_recover_everything_and_ones_recover_nothing(seed: int) -> None:
    annotations, detections = random_scene(seed)
    assume(detections)  # no detection carries no mask score either
    coco = as_coco(annotations, num_images=3)
    true = true_ious(coco, Detections.from_rows(detections))
    for expected, mask_ious in ((1.0, true), (0.0, np.ones(len(detections)))):
        scored = [
            d | {"mask_score": d["score"] * iou}
            for d, iou in zip(detections, mask_ious, strict=True)
        ]
        share = (
            evaluate_scores(coco, Detections.from_rows(scored))
            .rankings["mask_score"]
            .recovered_share["AP"]
        )
        assert share is None or share == pytest.approx(expected, abs=1e-9)


def worked_scene() -> tuple[COCO, list[dict]]:
    """Two images, one instance each; three masks.

    A covers the first instance whole (IoU 1), B half of the second (IoU 0.5: correct at the first
    of the ten thresholds only), C nothing. AP is the mean precision at 101 recalls, 51 of which
    are at most 0.5, which is as far as A alone gets.
    """
    first, second = rectangle(10, 10, 50, 50), rectangle(20, 20, 60, 60)
    coco = as_coco([annotation(1, 10, first), annotation(2, 11, second)], 2, {3: "ring"})
    a = detection(10, first, 0.7, mask_iou=0.8)
    b = detection(11, rectangle(20, 20, 40, 60), 0.8, mask_iou=0.9)
    c = detection(11, rectangle(80, 80, 100, 100), 0.9, mask_iou=0.1)
    return coco, [a, b, c]


def test_recovered_share_of_a_case_worked_by_hand() -> None:
    coco, detections = worked_scene()
    alone = 51 / 101
    # C (0.9), B (0.8), A (0.7). First threshold: wrong, right, right; then: wrong, wrong, right.
    class_score = (2 / 3 + 9 * alone / 3) / 10
    # B (0.72), A (0.56), C (0.09). Right, right, wrong; then: wrong, right, wrong.
    mask_score = (1 + 9 * alone / 2) / 10
    # A (0.7), B (0.4), C (0). Right, right, wrong; then: right, wrong, wrong.
    oracle = (1 + 9 * alone) / 10
    evaluation = evaluate_scores(coco, Detections.from_rows(detections))
    rankings = evaluation.rankings
    measured = [rankings[name].ap["AP"] for name in ("class_score", "mask_score", "oracle")]
    assert measured == pytest.approx([class_score, mask_score, oracle], abs=1e-12)
    assert evaluation.oracle_gap["AP"] == pytest.approx(oracle - class_score)
    assert rankings["mask_score"].recovered_share["AP"] == pytest.approx(
        (mask_score - class_score) / (oracle - class_score)
    )
    assert rankings["class_score"].recovered_share["AP"] == 0
    assert rankings["oracle"].recovered_share["AP"] == 1
    assert rankings["class_score"].ap_by_iou == pytest.approx([2 / 3] + [alone / 3] * 9)


def test_crowd_region_takes_any_number_of_detections_out_of_the_count() -> None:
    one = rectangle(10, 10, 50, 50)
    coco = as_coco(
        [annotation(1, 10, one), annotation(2, 10, rectangle(60, 60, 120, 120), iscrowd=1)],
        1,
        {3: "ring"},
    )
    in_crowd = [detection(10, rectangle(60 + i, 60, 80 + i, 80), 0.9) for i in range(5)]
    found = [*in_crowd, detection(10, one, 0.5)]
    aps = average_precisions(
        coco, Detections.from_rows(found), [d["score"] for d in found], protocol(coco)
    )
    assert aps[0] == pytest.approx(1, abs=1e-12)


def test_without_mask_scores() -> None:
    coco, detections = worked_scene()
    evaluation = evaluate_scores(coco, Detections.from_rows(without_fields(detections)))
    assert list(evaluation.rankings) == ["class_score", "oracle"]
    assert evaluation.mask_iou_quality is None
    assert evaluation.oracle_gap["AP"] is not None


def without_fields(detections: list[dict]) -> list[dict]:
    ours = ("mask_iou", "mask_score", "foreground_prob")
    return [{k: v for k, v in d.items() if k not in ours} for d in detections]


def test_some_without_mask_scores_rank_by_class_score() -> None:
    coco, (a, b, c) = worked_scene()
    evaluation = evaluate_scores(coco, Detections.from_rows([*without_fields([a]), b, c]))
    scores = [a["score"], b["mask_score"], c["mask_score"]]
    expected = average_precisions(coco, Detections.from_rows([a, b, c]), scores, protocol(coco))
    assert evaluation.rankings["mask_score"].ap["AP"] == expected[0]
    assert "1 detections have no mask score: they rank by class score" in evaluation.notes


def test_no_detections_miss_everything() -> None:
    coco, _ = worked_scene()
    aps = average_precisions(coco, Detections.from_rows([]), [], protocol(coco))
    assert aps.tolist() == [0, 0, 0, -1, 0, -1]  # 1600 pixels: the instances are medium


def test_no_ground_truth_is_undefined_not_zero() -> None:
    coco = as_coco([], num_images=1)
    evaluation = evaluate_scores(coco, Detections.from_rows(worked_scene()[1][:1]))
    for ranking in evaluation.rankings.values():
        assert set(ranking.ap.values()) == set(ranking.recovered_share.values()) == {None}
    assert set(evaluation.oracle_gap.values()) == {None}
    assert "there is no ground truth: no AP is defined" in evaluation.notes
    assert "undefined, there is no ground truth" in score_table(evaluation)


def test_class_without_ground_truth_does_not_count() -> None:
    """Absent classes are left out of the mean, not counted as zero."""
    coco, detections = worked_scene()
    with_absent = as_coco(coco.dataset["annotations"], 2, CATEGORIES)
    scores = [d["score"] for d in detections]
    assert average_precisions(
        with_absent, Detections.from_rows(detections), scores, protocol(with_absent)
    ) == (
        pytest.approx(
            average_precisions(coco, Detections.from_rows(detections), scores, protocol(coco))
        )
    )


def test_max_dets_cut_by_the_ranking_that_is_evaluated() -> None:
    """Two detections a class and image count: which two depends on the scores ranked by."""
    coco, detections = worked_scene()
    extra = [detection(10, rectangle(90, 90, 100 + i, 100), 0.75, mask_iou=0.0) for i in range(5)]
    crowded = [*detections, *extra]
    few = protocol(coco, (1, 1, 2))
    rankings = evaluate_scores(coco, Detections.from_rows(crowded), few).rankings
    by = {name: ranking.ap["AP"] or 0 for name, ranking in rankings.items()}
    assert by["class_score"] < by["mask_score"]


def test_no_gap_has_no_share() -> None:
    coco, (a, _, _) = worked_scene()
    evaluation = evaluate_scores(coco, Detections.from_rows([a]))
    assert evaluation.oracle_gap["AP"] == 0
    assert evaluation.rankings["mask_score"].recovered_share["AP"] is None
    assert "recovered share: undefined, the oracle gains nothing" in score_table(evaluation)


def test_an_annotation_with_the_id_0_is_as_pycocotools_has_it_and_told() -> None:
    annotations, detections = random_scene(4)
    annotations[0]["id"] = 0
    coco = as_coco(annotations, 3)
    evaluation = evaluate_scores(coco, Detections.from_rows(detections))
    plain = plain_pycocotools(coco, detections, [d["score"] for d in detections])
    ours = evaluation.rankings["class_score"]
    assert [-1 if v is None else v for v in ours.ap.values()] == plain[:6].tolist()
    assert any("has the id 0" in note for note in evaluation.notes)


def test_table() -> None:
    coco, detections = worked_scene()
    lines = score_table(evaluate_scores(coco, Detections.from_rows(detections))).splitlines()
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    assert cells[1] == ["segm, ranked by", "AP", "AP50", "AP75", "APs", "APm", "APl"]
    assert [row[0] for row in cells[3:7]] == ["class score", "mask score", "maskness", "oracle"]
    assert cells[6][1:] == ["55.4", "100.0", "50.5", "-", "55.4", "-"]
    assert lines[8].startswith("oracle gap: 33.6 points; recovered share: ")
    assert lines[8].endswith("% by maskness")
    assert lines[9] == "percent; at most 100 detections of a class in an image"
    wide = score_table(
        evaluate_scores(coco, Detections.from_rows(detections), protocol(coco, (100, 300, 1000)))
    )
    assert "for AP, 1000 for the other columns" in wide
