"""APs against plain pycocotools, and the numbers made of them against a case worked by hand."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO

from msrcnn_mm.evaluation import (
    Protocol,
    ScoreRankings,
    average_precisions,
    ground_truth_masks,
    rank_by_scores,
    true_mask_ious,
)

from .coco_scenes import (
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
    ours = average_precisions(coco, detections, scores, protocol(coco, max_dets), iou_type)
    plain = plain_pycocotools(coco, detections, scores, max_dets, iou_type)[:6]
    assert ours.tolist() == plain.tolist()  # to the last bit


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_each_ranking_is_pycocotools_with_the_score_replaced(seed: int) -> None:
    annotations, detections = random_scene(seed)
    assume(detections)
    coco = as_coco(annotations, num_images=3)
    rankings = rank_by_scores(coco, detections, protocol(coco))
    class_scores = np.array([d["score"] for d in detections])
    true_ious = true_mask_ious(detections, ground_truth_masks(coco))
    for ours, scores in (
        (rankings.class_score, class_scores),
        (rankings.mask_score, [d["mask_score"] for d in detections]),
        (rankings.oracle, class_scores * true_ious),
    ):
        assert ours is not None
        assert ours.tolist() == plain_pycocotools(coco, detections, scores)[:6].tolist()


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_true_ious_as_mask_ious_recover_everything_and_ones_recover_nothing(seed: int) -> None:
    annotations, detections = random_scene(seed)
    coco = as_coco(annotations, num_images=3)
    true_ious = true_mask_ious(detections, ground_truth_masks(coco))
    for expected, mask_ious in ((1.0, true_ious), (0.0, np.ones(len(detections)))):
        scored = [
            d | {"mask_score": d["score"] * iou}
            for d, iou in zip(detections, mask_ious, strict=True)
        ]
        share = rank_by_scores(coco, scored, protocol(coco)).recovered_share
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
    rankings = rank_by_scores(coco, detections, protocol(coco))
    assert rankings.mask_score is not None
    measured = [rankings.class_score[0], rankings.mask_score[0], rankings.oracle[0]]
    assert measured == pytest.approx([class_score, mask_score, oracle], abs=1e-12)
    assert rankings.oracle_gap == pytest.approx(oracle - class_score)
    assert rankings.recovered_share == pytest.approx(
        (mask_score - class_score) / (oracle - class_score)
    )


def test_crowd_region_takes_any_number_of_detections_out_of_the_count() -> None:
    one = rectangle(10, 10, 50, 50)
    coco = as_coco(
        [annotation(1, 10, one), annotation(2, 10, rectangle(60, 60, 120, 120), iscrowd=1)],
        1,
        {3: "ring"},
    )
    in_crowd = [detection(10, rectangle(60 + i, 60, 80 + i, 80), 0.9) for i in range(5)]
    found = [*in_crowd, detection(10, one, 0.5)]
    aps = average_precisions(coco, found, [d["score"] for d in found], protocol(coco))
    assert aps[0] == pytest.approx(1, abs=1e-12)


def test_without_mask_scores() -> None:
    coco, detections = worked_scene()
    plain = [
        {k: v for k, v in d.items() if k not in ("mask_iou", "mask_score")} for d in detections
    ]
    rankings = rank_by_scores(coco, plain, protocol(coco))
    assert rankings.mask_score is None
    assert rankings.recovered_share is None
    assert rankings.oracle_gap is not None
    table = rankings.table(protocol(coco))
    assert "mask score" not in table and "recovered share" not in table


def test_no_detections_miss_everything() -> None:
    coco, _ = worked_scene()
    aps = average_precisions(coco, [], [], protocol(coco))
    assert aps.tolist() == [0, 0, 0, -1, 0, -1]  # 1600 pixels: the instances are medium


def test_no_ground_truth_is_undefined_not_zero() -> None:
    coco = as_coco([], num_images=1)
    rankings = rank_by_scores(coco, worked_scene()[1][:1], protocol(coco))
    assert rankings.class_score.tolist() == [-1] * 6
    assert rankings.oracle_gap is None and rankings.recovered_share is None
    assert "undefined, there is no ground truth" in rankings.table(protocol(coco))


def test_class_without_ground_truth_does_not_count() -> None:
    """Absent classes are left out of the mean, not counted as zero."""
    coco, detections = worked_scene()
    with_absent = as_coco(coco.dataset["annotations"], 2, CATEGORIES)
    scores = [d["score"] for d in detections]
    assert average_precisions(with_absent, detections, scores, protocol(with_absent)) == (
        pytest.approx(average_precisions(coco, detections, scores, protocol(coco)))
    )


def test_no_gap_has_no_share() -> None:
    same = np.full(6, 0.5)
    rankings = ScoreRankings(class_score=same, mask_score=same + 0.1, oracle=same)
    assert rankings.oracle_gap == 0
    assert rankings.recovered_share is None
    coco = as_coco([], num_images=1)
    assert "recovered share: undefined, the oracle gains nothing" in rankings.table(protocol(coco))


def test_max_dets_cut_by_the_ranking_that_is_evaluated() -> None:
    """Two detections a class and image count: which two depends on the scores ranked by."""
    coco, detections = worked_scene()
    extra = [detection(10, rectangle(90, 90, 100 + i, 100), 0.75, mask_iou=0.0) for i in range(5)]
    crowded = [*detections, *extra]
    few = protocol(coco, (1, 1, 2))
    rankings = rank_by_scores(coco, crowded, few)
    assert rankings.mask_score is not None
    assert rankings.class_score[0] < rankings.mask_score[0]


def test_table() -> None:
    class_score = np.array([0.5661, 0.9, 0.6, 0.4, 0.6, -1])
    gain = np.array([1, 1, 1, 1, 1, 0])
    rankings = ScoreRankings(class_score, class_score + 0.002 * gain, class_score + 0.028 * gain)
    lines = rankings.table(protocol(as_coco([], 1), (100, 300, 1000))).splitlines()
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    assert cells[1] == ["segm, ranked by", "AP", "AP50", "AP75", "APs", "APm", "APl"]
    assert cells[3] == ["class score", "56.6", "90.0", "60.0", "40.0", "60.0", "-"]
    assert cells[4] == ["mask score", "56.8", "90.2", "60.2", "40.2", "60.2", "-"]
    assert cells[5] == ["oracle", "59.4", "92.8", "62.8", "42.8", "62.8", "-"]
    assert lines[7] == "oracle gap: 2.8 points; recovered share: 7.1%"
    assert lines[8] == (
        "percent; at most 100 detections of a class in an image for AP, 1000 for the other columns"
    )
