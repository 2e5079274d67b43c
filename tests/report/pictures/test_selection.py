"""Tests the choice of the images that pictures show."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msrcnn_mm.coco.detections import Column, Detections
from msrcnn_mm.evaluation.true_ious import true_ious
from msrcnn_mm.report.evaluated_detector import EvaluatedDetector
from msrcnn_mm.report.pictures.examples import Example
from msrcnn_mm.report.pictures.selection import (
    CLASS_FAR,
    DEMOTED,
    FAR,
    MISJUDGED,
    NEARER,
    PROMOTED,
    RANDOM,
    WRONG_WAY,
    choose_examples,
    choose_gallery,
    ranks_in_class,
)
from tests.support.coco_scenes import SIDE, as_coco, detection, random_scene, rectangle
from tests.support.report.detectors import detector_of, random_detector

COCO = as_coco([], 99)
Masks = list[tuple[float, int, float | None]]


def row(image_id: int, score: float, mask_iou: float | None, x: int = 10) -> dict[str, Any]:
    return detection(image_id, rectangle(x, 10, x + 20, 30), score, mask_iou=mask_iou)


def examples(
    rows: list[dict[str, Any]],
    ious: Column | list[float],
    count: int,
    thr: float = 0.3,
    seed: int = 0,
) -> list[Example]:
    detections = Detections.from_rows(rows)
    return choose_examples(detections, np.array(ious, float), COCO, count, thr, seed)


def gallery(
    detector: EvaluatedDetector, count: int = 12, thr: float = 0.3, seed: int = 0
) -> list[Example]:
    ious = np.nan_to_num(detector.true_ious)
    return choose_gallery(detector.detections.with_boxes(), ious, COCO, count, thr, seed)


def reasons(chosen: list[Example]) -> list[tuple[str, int]]:
    return [(example.why, example.masks[0]) for example in chosen]


class TestChooseExamples:
    def test_corrected_wrong_and_random_ones_each_from_another_image(self) -> None:
        rows = [row(10 + i, 0.9, 0.5) for i in range(8)]
        ious = np.full(8, 0.5)
        rows[2] = row(12, 0.9, 0.2)  # s_iou is right about a bad mask
        ious[2] = 0.2
        rows[5] = row(15, 0.9, 0.1)  # and wrong about a good one
        ious[5] = 0.9
        chosen = examples(rows, ious, 6)
        assert [e.why for e in chosen] == [NEARER] * 3 + [FAR] + [RANDOM] * 2
        assert chosen[0].image_id == 12
        assert chosen[3].image_id == 15
        assert len({e.image_id for e in chosen}) == 6

    def test_two_images_are_one_right_and_one_wrong(self) -> None:
        chosen = examples([row(10, 0.9, 0.2), row(11, 0.9, 0.1)], [0.2, 0.9], 2)
        assert [(e.why, e.image_id) for e in chosen] == [(NEARER, 10), (FAR, 11)]

    def test_false_alarm_is_not_a_corrected_mask(self) -> None:
        for of_bad, of_none in ((0.5, 0.0), (None, None)):
            rows = [row(10, 1.0, of_none), row(11, 0.9, of_bad)]
            (example,) = examples(rows, [0.0, 0.5], 1)
            assert example.image_id == 11

    def test_without_a_corrected_mask_none_is_chosen_as_such(self) -> None:
        chosen = examples([row(10 + i, 0.9, 0.5) for i in range(4)], [0.9] * 4, 4)
        assert [e.why for e in chosen] == [FAR] + [RANDOM] * 3

    def test_without_mask_scores(self) -> None:
        rows = [row(10 + i, 0.9, None) for i in range(6)]
        chosen = examples(rows, [0.9, 0.8, 0.1, 0.9, 0.9, 0.9], 3)
        assert [e.why for e in chosen] == [CLASS_FAR, CLASS_FAR, RANDOM]
        assert [e.image_id for e in chosen[:2]] == [12, 11]

    def test_masks_without_mask_scores_that_others_have_are_left_out(self) -> None:
        rows = [row(10, 0.9, 0.5), row(11, 0.9, None), row(10, 0.95, None, x=40)]
        (example,) = examples(rows, [0.5, 0.5, 0.5], 3)
        assert example.masks == [0]

    def test_mask_iou_is_derived_from_the_mask_score(self) -> None:
        rows = [row(10, 0.9, 0.2), row(11, 0.5, 0.9), row(12, 0.9, 0.5)]
        for entry in rows:
            del entry["mask_iou"]
        # The mask score of image 11 is right, its s_iou is not.
        chosen = examples(rows, [0.2, 0.45, 0.2], 2)
        assert [(e.why, e.image_id) for e in chosen] == [(NEARER, 10), (FAR, 11)]

    def test_below_the_threshold_and_without_detections(self) -> None:
        assert examples([row(10, 0.2, 0.5)], [0.5], 6) == []
        assert examples([], [], 6) == []

    def test_duplicates_of_a_shown_mask_are_not_shown(self) -> None:
        rows = [row(10, 0.9, 0.5), row(10, 0.8, 0.5, x=11), row(10, 0.7, 0.5, x=40)]
        (example,) = examples(rows, [0.5] * 3, 1)
        assert example.masks == [0, 2]

    def test_an_empty_mask_is_shown_once(self) -> None:
        empty = detection(10, rectangle(0, 0, 0, 0), 0.9, mask_iou=0.5)
        (example,) = examples([empty], [0.0], 1)
        assert example.masks == [0]

    @given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 7), thr=st.floats(0, 1))
    @settings(max_examples=60, deadline=None)
    def test_views_contain_their_masks(self, seed: int, count: int, thr: float) -> None:
        annotations, rows = random_scene(seed, num_images=5)
        detections = Detections.from_rows(rows)
        ious = true_ious(as_coco(annotations, 5), detections)
        chosen = examples(rows, ious, count, thr, seed)
        shown = {d["image_id"] for d in rows if d["score"] >= thr}
        assert len(chosen) == min(count, len(shown))
        assert chosen == examples(rows, ious, count, thr, seed)
        for example in chosen:
            x1, y1, x2, y2 = example.view
            assert 0 <= x1 < x2 <= SIDE and 0 <= y1 < y2 <= SIDE
            for mask in example.masks:
                x, y, width, height = rows[mask]["bbox"]
                assert x1 - 1 <= x and y1 - 1 <= y
                assert x + width <= x2 + 1 and y + height <= y2 + 1
                assert rows[mask]["score"] >= thr
                assert rows[mask]["image_id"] == example.image_id


class TestRanksInClass:
    def test_ranks_are_places_in_a_sorted_list(self) -> None:
        detector = random_detector(5)
        ranks = ranks_in_class(detector.detections, detector.true_ious)
        assert ranks is not None
        rows = detector.detections.to_rows()
        for column, score in ((ranks.by_class_score, "score"), (ranks.by_mask_score, "mask_score")):
            for i, d in enumerate(rows):
                same = [x for x in rows if x["category_id"] == d["category_id"]]
                ranked = sorted(same, key=lambda x: -x[score])
                assert [id(x) for x in ranked].index(id(d)) + 1 == column[i]
                assert ranks.masks[i] == len(same)

    def test_without_mask_scores_there_are_none(self) -> None:
        detector = detector_of([(0.9, 20, None), (0.8, 40, None)])
        assert ranks_in_class(detector.detections, detector.true_ious) is None


class TestChooseGallery:
    def test_rightly_demoted_has_a_high_class_score_and_a_low_true_iou(self) -> None:
        masks: Masks = [(0.9 - 0.01 * i, 40, 1.0) for i in range(12)]
        masks[0] = (0.99, 12, 0.3)
        masks[1] = (0.98, 35, 0.8)  # nearly as far down, but a better mask
        detector = detector_of(masks)
        assert reasons(gallery(detector))[0] == (DEMOTED, 0)
        assert detector.true_ious[0] == pytest.approx(0.3)

    def test_rightly_promoted(self) -> None:
        masks: Masks = [(0.9 - 0.01 * i, 28, 0.7) for i in range(12)]
        masks[-1] = (0.7, 40, 1.0)
        assert (PROMOTED, 11) in reasons(gallery(detector_of(masks)))

    def test_masks_moved_the_wrong_way_are_shown(self) -> None:
        masks: Masks = [(0.9 - 0.01 * i, 30 + i % 3, 0.75) for i in range(12)]
        masks[6] = (0.84, 40, 0.2)  # the best mask, moved to the end
        masks[9] = (0.81, 10, 0.99)  # the worst mask, moved to the front
        assert {(WRONG_WAY, 6), (WRONG_WAY, 9)} <= set(reasons(gallery(detector_of(masks))))

    def test_the_worst_mask_iou_is_shown(self) -> None:
        masks: Masks = [(0.9 - 0.01 * i, 32, 0.8) for i in range(12)]
        masks[0] = (0.99, 32, 0.1)
        chosen = reasons(gallery(detector_of(masks)))
        # It is also moved to the end, which is wrong: either reason is right.
        assert any(why in (WRONG_WAY, MISJUDGED) and i == 0 for why, i in chosen)

    def test_a_quarter_is_random_and_each_image_comes_once(self) -> None:
        chosen = gallery(random_detector(1, images=40), thr=0.1)
        assert len(chosen) == 12
        assert sum(example.why == RANDOM for example in chosen) >= 3
        assert len({example.image_id for example in chosen}) == 12

    def test_seed_changes_only_the_random_ones(self) -> None:
        detector = random_detector(1, images=40)

        def shown(seed: int) -> list[tuple[str, int]]:
            return reasons(gallery(detector, thr=0.1, seed=seed))

        assert shown(0) == shown(0) != shown(3)
        chosen = [[entry for entry in shown(seed) if entry[0] != RANDOM] for seed in (0, 3)]
        assert chosen[0] == chosen[1]

    def test_threshold_and_count_hold(self) -> None:
        detector = random_detector(1, images=40)
        detections = detector.detections
        chosen = gallery(detector, 60, 0.8)
        assert all(detections.class_scores[m] >= 0.8 for e in chosen for m in e.masks)
        images = np.array(detections.image_ids)[detections.class_scores >= 0.8]
        assert len(chosen) == len(set(images.tolist()))
        assert gallery(detector, thr=1.1) == []
        assert len(gallery(detector, 1, 0.1)) == 1

    def test_without_mask_scores_it_is_the_choice_of_examples(self) -> None:
        detector = detector_of([(0.9, 20, None), (0.8, 40, None)])
        assert reasons(gallery(detector, 2))[0] == (CLASS_FAR, 0)
        assert np.isclose(detector.true_ious[0], 0.5)
