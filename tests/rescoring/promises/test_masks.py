"""Tests which masks are right, and which score accepts them."""

from dataclasses import replace

import numpy as np
import pytest

from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.errors import UserError
from msrcnn_mm.rescoring.promises.masks import Objects, choose_score, shared_scores
from msrcnn_mm.rescoring.promises.review import expected_gains, review_queue
from tests.support.coco_scenes import annotation, as_coco, detection, rectangle

OBJECT, CROWD = rectangle(0, 0, 40, 40), rectangle(60, 60, 120, 120)


def test_a_mask_is_right_once_and_no_crowd_is() -> None:
    coco = as_coco([annotation(1, 10, OBJECT), annotation(2, 10, CROWD, iscrowd=1)], 1)
    masks = [OBJECT, rectangle(0, 0, 40, 30), rectangle(0, 0, 40, 19), rectangle(70, 70, 90, 90)]
    detections = Detections.from_rows([detection(10, mask, 0.5) for mask in masks])
    objects = Objects(coco, detections)
    assert objects.ious(np.array([0.9, 0.8, 0.7, 0.95])).tolist() == [1, 0, 0, 0]
    assert objects.ious(np.array([0.7, 0.8, 0.9, 0.95])).tolist() == [0, 0.75, 0, 0]


def test_the_best_score_that_all_masks_have_is_taken() -> None:
    row = detection(10, OBJECT, 0.5)
    one = Detections.from_rows([row | {"consensus": 0.4, "mask_score": 0.3}])
    other = Detections.from_rows([row | {"consensus": 0.4}, row | {"mask_score": 0.2}])
    assert shared_scores(one) == ["consensus", "mask_score", "class_score"]
    assert choose_score(None, one, other) == "class_score"
    assert choose_score("mask_score", one) == "mask_score"
    with pytest.raises(UserError, match="--score-by consensus: not all masks"):
        choose_score("consensus", one, other)
    with pytest.raises(UserError, match="class score goes from 50 to 50"):
        choose_score("class_score", replace(one, class_scores=np.array([50.0])))


def test_the_queue_is_ordered_by_the_chance_of_an_object() -> None:
    rng = np.random.default_rng(2)
    labelled = rng.random(2000)
    ious = (rng.random(2000) < labelled**2) * 0.8
    scores = np.array([0.2, 0.9, 0.5, 0.6, 0.95])
    gains = expected_gains(scores, labelled, ious)
    np.testing.assert_allclose(gains, scores**2, atol=0.12)
    queue = review_queue(["a", "a", "b", "b", "c"], gains, np.array([1, 1, 1, 1, 0], bool))
    assert [(image.image_id, image.masks) for image in queue] == [("a", [1, 0]), ("b", [3, 2])]
    assert queue[0].gain == pytest.approx(gains[:2].mean())
