"""Tests of AP against plain pycocotools and cases worked by hand."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from msrcnn_mm.errors import UserError
from tests.support.coco_scenes import (
    CATEGORIES,
    annotation,
    as_coco,
    average_precisions,
    detection,
    plain_pycocotools,
    random_scene,
    rectangle,
    worked_scene,
)


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
    ours = average_precisions(coco, detections, scores, max_dets, iou_type)
    plain = plain_pycocotools(coco, detections, scores, max_dets, iou_type)[:6]
    assert ours == plain.tolist()  # to the last bit
    of_three = [average_precisions(coco, detections, scores, (1, n, 3), iou_type) for n in (2, 10)]
    assert of_three[0] == of_three[1]  # the 10 do not count


def test_crowd_region_takes_any_number_of_detections_out_of_the_count() -> None:
    one = rectangle(10, 10, 50, 50)
    coco = as_coco(
        [annotation(1, 10, one), annotation(2, 10, rectangle(60, 60, 120, 120), iscrowd=1)],
        1,
        {3: "ring"},
    )
    in_crowd = [detection(10, rectangle(60 + i, 60, 80 + i, 80), 0.9) for i in range(5)]
    found = [*in_crowd, detection(10, one, 0.5)]
    aps = average_precisions(coco, found, [d["score"] for d in found])
    assert aps[0] == pytest.approx(1, abs=1e-12)


def test_no_detections_miss_everything() -> None:
    coco, _ = worked_scene()
    # 1600 pixels: the instances are medium
    assert average_precisions(coco, [], []) == [0, 0, 0, -1, 0, -1]


def test_class_without_ground_truth_does_not_count() -> None:
    coco, detections = worked_scene()
    with_absent = as_coco(coco.dataset["annotations"], 2, CATEGORIES)
    scores = [d["score"] for d in detections]
    assert average_precisions(with_absent, detections, scores) == (
        average_precisions(coco, detections, scores)
    )


def test_boxes_that_are_absent_are_refused() -> None:
    coco, rows = worked_scene()
    bare = [{k: v for k, v in row.items() if k != "bbox"} for row in rows]
    for lacking in (bare, [rows[0], *bare[1:]]):
        with pytest.raises(UserError, match="detections have no 'bbox', which bbox is computed"):
            average_precisions(coco, lacking, [1, 1, 1], iou_type="bbox")
