"""Tests of detections as columns."""

from typing import Any

import numpy as np
import pytest

from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.errors import UserError
from tests.support.coco_scenes import annotation, as_coco, detection, random_scene, rectangle

MASK = rectangle(10, 10, 50, 50)
COCO = as_coco([annotation(1, 10, MASK)], 1)
SCORED = detection(10, MASK, 0.5, mask_iou=0.8)
PLAIN = detection(10, MASK, 0.4)


def test_rows_come_back_as_they_were() -> None:
    _, rows = random_scene(4)
    rows += [
        PLAIN,
        SCORED | {"agreement_score": 0.3, "consensus": 0.4},
        SCORED | {"comment": "other"},
    ]
    assert Detections.from_rows(rows).to_rows() == rows
    assert Detections.from_rows([]).to_rows() == []


def test_a_score_that_some_lack_is_nan_and_one_that_all_lack_is_none() -> None:
    some = Detections.from_rows([SCORED, PLAIN])
    assert some.mask_scores is not None and some.maskness is not None
    assert some.mask_scores.tolist()[0] == 0.4
    assert np.isnan(some.mask_scores[1]) and np.isnan(some.maskness[1])
    assert some.maskness[0] == 0.5 * SCORED["foreground_prob"]
    assert Detections.from_rows([PLAIN]).mask_scores is None
    assert Detections.from_rows([PLAIN]).maskness is None


def test_the_mask_iou_that_results_leave_out_follows_from_the_mask_score() -> None:
    given = SCORED | {"mask_iou": 0.7}
    without = {k: v for k, v in SCORED.items() if k != "mask_iou"}
    nothing = without | {"score": 0.0, "mask_score": 0.0}
    implied = Detections.from_rows([given, without, nothing]).implied_mask_ious
    assert implied is not None and implied.tolist() == [0.7, 0.8, 0]
    assert Detections.from_rows([PLAIN]).implied_mask_ious is None


def test_parts_are_joined_in_their_order() -> None:
    _, rows = random_scene(4)
    rows += [PLAIN, SCORED | {"comment": "other"}]
    parts = [Detections.from_rows(part) for part in (rows[:2], [], [PLAIN], rows[2:])]
    joined = Detections.concatenate(parts)
    assert joined.to_rows() == [*rows[:2], PLAIN, *rows[2:]]
    assert len(Detections.concatenate([])) == len(Detections.concatenate([parts[1]])) == 0


def test_masks_that_only_some_have_are_refused() -> None:
    bare = {k: v for k, v in PLAIN.items() if k != "segmentation"}
    with pytest.raises(UserError, match=r"^1 of 2 detections have masks: give them to all or to"):
        Detections.from_rows([PLAIN, bare])
    with pytest.raises(UserError, match=r"^1 of 2 detections have masks"):
        Detections.concatenate([Detections.from_rows([row]) for row in (PLAIN, bare)])
    assert Detections.from_rows([bare, bare]).masks is None


def test_boxes_are_those_of_the_masks_where_the_results_have_none() -> None:
    moved = PLAIN | {"bbox": [1.0, 2, 3, 4]}
    bare = {k: v for k, v in PLAIN.items() if k != "bbox"}
    some = Detections.from_rows([moved, bare]).with_boxes()
    assert some.boxes is not None
    assert some.boxes.tolist() == [[1, 2, 3, 4], [10, 10, 40, 40]]
    none = Detections.from_rows([bare]).with_boxes()
    assert none.boxes is not None and none.boxes.tolist() == [[10, 10, 40, 40]]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"image_id": 99}, "is of image 99, which the annotations do not have"),
        ({"score": float("nan")}, "has no finite number as score: nan"),
        ({"mask_score": float("inf")}, "has no finite number as mask_score: inf"),
        (
            {"segmentation": {"size": [9, 120], "counts": "P99"}},
            r"has a mask of height, width \[9, 120\], but its image 10 is \[120, 120\]",
        ),
    ],
)
def test_detections_that_do_not_fit_the_annotations_are_refused(
    bad: dict[str, Any], message: str
) -> None:
    Detections.from_rows([SCORED, PLAIN]).check_fit(COCO)
    with pytest.raises(UserError, match=f"^detection 1 {message}$"):
        Detections.from_rows([SCORED, SCORED | bad]).check_fit(COCO)
