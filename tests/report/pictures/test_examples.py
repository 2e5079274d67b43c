"""Which images a picture of the scores shows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msrcnn_mm.evaluation.oracle import ground_truth_masks, true_mask_ious

from msrcnn_mm.report.pictures.examples import CLASS_FAR, FAR, NEARER, RANDOM, choose_examples
from tests.support.coco_scenes import SIDE, as_coco, detection, random_scene, rectangle

SIZES = {10 + i: (SIDE, SIDE) for i in range(20)}


def mask_of(image_id: int, score: float, mask_iou: float | None, x: int = 10) -> dict:
    return detection(image_id, rectangle(x, 10, x + 20, 30), score, mask_iou=mask_iou)


def test_corrected_wrong_and_random_ones_each_from_another_image() -> None:
    detections = [mask_of(10 + i, 0.9, 0.5) for i in range(8)]
    true_ious = np.full(8, 0.5)
    detections[2] = mask_of(12, 0.9, 0.2)  # the scorer notices a bad mask
    true_ious[2] = 0.2
    detections[5] = mask_of(15, 0.9, 0.1)  # and takes a good one for bad
    true_ious[5] = 0.9
    examples = choose_examples(detections, true_ious, SIZES, 6, 0.3, seed=0)
    assert [e.why for e in examples] == [NEARER] * 3 + [FAR] + [RANDOM] * 2
    assert examples[0].image_id == 12
    assert examples[3].image_id == 15
    assert len({e.image_id for e in examples}) == 6


def test_two_images_show_both_sides() -> None:
    detections = [mask_of(10, 0.9, 0.2), mask_of(11, 0.9, 0.1)]
    examples = choose_examples(detections, np.array([0.2, 0.9]), SIZES, 2, 0.3, seed=0)
    assert [(e.why, e.image_id) for e in examples] == [(NEARER, 10), (FAR, 11)]


def test_false_alarm_is_no_corrected_mask() -> None:
    """A mask of nothing has no quality to be seen; a badly drawn one has."""
    true_ious = np.array([0.0, 0.5])
    for of_bad, of_none in ((0.5, 0.0), (None, None)):
        detections = [mask_of(10, 1.0, of_none), mask_of(11, 0.9, of_bad)]
        (example,) = choose_examples(detections, true_ious, SIZES, 1, 0.3, seed=0)
        assert example.image_id == 11


def test_nothing_corrected_is_not_claimed() -> None:
    detections = [mask_of(10 + i, 0.9, 0.5) for i in range(4)]
    examples = choose_examples(detections, np.full(4, 0.9), SIZES, 4, 0.3, seed=0)
    assert [e.why for e in examples] == [FAR] + [RANDOM] * 3


def test_without_mask_scores() -> None:
    detections = [mask_of(10 + i, 0.9, None) for i in range(6)]
    true_ious = np.array([0.9, 0.8, 0.1, 0.9, 0.9, 0.9])
    examples = choose_examples(detections, true_ious, SIZES, 3, 0.3, seed=0)
    assert [e.why for e in examples] == [CLASS_FAR, CLASS_FAR, RANDOM]
    assert [e.image_id for e in examples[:2]] == [12, 11]


def test_mask_iou_is_told_by_the_mask_score() -> None:
    """Results of other frameworks may hold the product only."""
    told, lost = mask_of(10, 0.5, 0.4), mask_of(11, 0.0, 0.4)
    for d in (told, lost):
        del d["mask_iou"]
    examples = choose_examples([told, lost], np.array([0.4, 0.4]), SIZES, 2, 0.0, seed=0)
    ious = {e.image_id: e.masks[0].mask_iou for e in examples}
    assert ious == {10: pytest.approx(0.4), 11: 0.0}


def test_below_the_threshold_and_without_detections() -> None:
    assert choose_examples([mask_of(10, 0.2, 0.5)], np.array([0.5]), SIZES, 6, 0.3, 0) == []
    assert choose_examples([], np.zeros(0), SIZES, 6, 0.3, 0) == []


def test_duplicates_of_a_shown_mask_stay_out_of_the_view() -> None:
    detections = [mask_of(10, 0.9, 0.5), mask_of(10, 0.8, 0.5, x=11), mask_of(10, 0.7, 0.5, x=40)]
    (example,) = choose_examples(detections, np.full(3, 0.5), SIZES, 1, 0.3, seed=0)
    assert [m.class_score for m in example.masks] == [0.9, 0.7]


@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 7), thr=st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_views_hold_their_masks(seed: int, count: int, thr: float) -> None:
    annotations, detections = random_scene(seed, num_images=5)
    true_ious = true_mask_ious(detections, ground_truth_masks(as_coco(annotations, 5)))
    examples = choose_examples(detections, true_ious, SIZES, count, thr, seed)
    shown = {d["image_id"] for d in detections if d["score"] >= thr}
    assert len(examples) == min(count, len(shown))
    assert examples == choose_examples(detections, true_ious, SIZES, count, thr, seed)
    for example in examples:
        x1, y1, x2, y2 = example.view
        assert 0 <= x1 < x2 <= SIDE and 0 <= y1 < y2 <= SIDE
        for mask in example.masks:
            x, y, width, height = mask.detection["bbox"]
            assert x1 - 1 <= x and y1 - 1 <= y
            assert x + width <= x2 + 1 and y + height <= y2 + 1
            assert mask.class_score >= thr
