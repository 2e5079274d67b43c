"""What pycocotools would take in silence and count as nothing is one line; the rest is COCO's."""

import json
from typing import Any

import numpy as np
import pytest

from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.errors import UserError
from msrcnn_mm.evaluation.evaluate import evaluate_scores
from msrcnn_mm.evaluation.evaluation_result import as_json
from tests.support.coco_scenes import annotation, as_coco, detection, random_scene, rectangle

MASK = rectangle(10, 10, 50, 50)
GOOD = detection(10, MASK, 0.9, mask_iou=0.8)


def without(entry: dict[str, Any], field: str) -> dict[str, Any]:
    return {k: v for k, v in entry.items() if k != field}


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (GOOD | {"image_id": 99}, "is of image 99, which the annotations do not have"),
        (GOOD | {"score": float("nan")}, "a score that is not a finite number: nan"),
        (GOOD | {"mask_score": float("inf")}, "a mask_score that is not a finite number: inf"),
        (
            GOOD | {"segmentation": {"size": [9, 120], "counts": "P99"}},
            r"a mask of height, width \[9, 120\], but its image 10 is \[120, 120\]",
        ),
    ],
)
def test_a_detection_that_fits_nothing(bad: dict[str, Any], message: str) -> None:
    coco = as_coco([annotation(1, 10, MASK)], 1)
    with pytest.raises(UserError, match=f"detection 1 .*{message}") as error:
        evaluate_scores(coco, Detections.from_rows([GOOD, bad]))
    assert "\n" not in str(error.value)


def test_two_annotations_with_one_id() -> None:
    coco = as_coco([annotation(7, 10, MASK), annotation(7, 10, rectangle(0, 0, 5, 5))], 1)
    with pytest.raises(UserError, match="two annotations have the id 7"):
        evaluate_scores(coco, Detections.from_rows([GOOD]))


def test_an_annotation_without_area() -> None:
    coco = as_coco([without(annotation(1, 10, MASK), "area")], 1)
    with pytest.raises(UserError, match="annotation 1 has no 'area'"):
        evaluate_scores(coco, Detections.from_rows([GOOD]))


def test_no_detections_miss_everything_and_no_figure_is_made_up() -> None:
    evaluation = evaluate_scores(as_coco([annotation(1, 10, MASK)], 1), Detections.from_rows([]))
    assert evaluation.rankings["class_score"].ap["AP"] == 0
    assert evaluation.lrp["class_score"].every.error == 1
    assert evaluation.calibration_errors["class_score"].laece is None
    assert "there are no detections" in evaluation.notes


def test_nothing_but_crowds_is_no_ground_truth() -> None:
    evaluation = evaluate_scores(
        as_coco([annotation(1, 10, MASK, iscrowd=1)], 1), Detections.from_rows([GOOD])
    )
    assert evaluation.rankings["oracle"].ap["AP"] is None
    assert evaluation.lrp["class_score"].every.error is None
    assert np.isnan(evaluation.detections.matched_ious["class_score"]).all()


def test_detections_of_classes_and_images_that_do_not_count_are_left_out() -> None:
    coco = as_coco([annotation(1, 10, MASK)], 2)
    stray = GOOD | {"category_id": 99}
    evaluation = evaluate_scores(coco, Detections.from_rows([stray, GOOD]))
    assert evaluation.rankings["class_score"].ap["AP"] == pytest.approx(1)
    assert np.isnan(evaluation.detections.true_ious).tolist() == [True, False]
    assert "1 detections are of classes or images that do not count" in evaluation.notes


def test_json_holds_everything_and_no_nan() -> None:
    annotations, detections = random_scene(4)
    evaluation = evaluate_scores(
        as_coco(annotations, 3), Detections.from_rows(detections), boundary=True
    )
    read = json.loads(json.dumps(as_json(evaluation), allow_nan=False))
    assert read["rankings"]["oracle"]["ap"] == evaluation.rankings["oracle"].ap
    assert read["classes"][0]["scores"]["mask_score"]["lrp"]["optimal"]["error"] is not None
    assert len(read["detections"]["matched_ious"]["mask_score"]) == len(detections)
