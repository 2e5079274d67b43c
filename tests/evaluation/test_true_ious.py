"""Tests of true IoUs against IoUs counted pixel by pixel."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.evaluation.evaluate import evaluate_scores
from msrcnn_mm.evaluation.true_ious import true_ious
from tests.support.coco_scenes import annotation, as_coco, detection, random_scene, rectangle
from tests.support.plain_matching import plain_true_ious


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_equals_pixel_counts(seed: int) -> None:
    annotations, detections = random_scene(seed)
    ious = true_ious(as_coco(annotations, num_images=3), Detections.from_rows(detections))
    assert ious.shape == (len(detections),)
    assert ious == pytest.approx(plain_true_ious(detections, annotations), abs=1e-12)


def test_only_the_same_class_in_the_same_image_counts() -> None:
    mask = rectangle(10, 10, 50, 50)
    coco = as_coco([annotation(1, 10, mask, category_id=3)], num_images=2)
    found = [
        detection(10, mask, 0.9, category_id=3),
        detection(10, mask, 0.9, category_id=7),
        detection(11, mask, 0.9, category_id=3),
    ]
    assert true_ious(coco, Detections.from_rows(found)).tolist() == [1.0, 0.0, 0.0]


def test_ids_may_be_numbers_and_text() -> None:
    masks = {10: rectangle(10, 10, 50, 50), "10": rectangle(60, 60, 90, 90)}
    coco = as_coco([annotation(i, id_, m) for i, (id_, m) in enumerate(masks.items(), 1)], 1)
    coco.dataset["images"].append(coco.imgs[10] | {"id": "10"})
    coco.createIndex()
    found = Detections.from_rows([detection(id_, mask, 0.9) for id_, mask in masks.items()])
    assert true_ious(coco, found).tolist() == [1.0, 1.0]
    assert evaluate_scores(coco, found).rankings["class_score"].ap["AP"] == pytest.approx(1)


def test_a_crowd_region_is_not_an_instance() -> None:
    mask = rectangle(10, 10, 50, 50)
    coco = as_coco([annotation(1, 10, mask, iscrowd=1)], num_images=1)
    assert true_ious(coco, Detections.from_rows([detection(10, mask, 0.9)])).tolist() == [0.0]


def test_empty_mask_has_no_iou() -> None:
    coco = as_coco([annotation(1, 10, rectangle(0, 0, 9, 9))], num_images=1)
    empty = detection(10, rectangle(0, 0, 0, 0), 0.9)
    assert true_ious(coco, Detections.from_rows([empty])).tolist() == [0.0]


def test_no_detections() -> None:
    assert true_ious(as_coco([], 1), Detections.from_rows([])).shape == (0,)


def test_polygons_and_uncompressed_rles_are_ground_truth_too() -> None:
    mask = rectangle(10, 20, 50, 60)
    polygon = annotation(1, 10, mask)
    polygon["segmentation"] = [[10, 20, 50, 20, 50, 60, 10, 60]]
    runs = annotation(2, 11, mask)
    counts = [10 * 120 + 20] + [40, 80] * 39 + [40, 60 + 70 * 120]
    runs["segmentation"] = {"size": [120, 120], "counts": counts}
    found = Detections.from_rows([detection(10, mask, 0.5), detection(11, mask, 0.5)])
    assert true_ious(as_coco([polygon, runs], num_images=2), found).tolist() == [1.0, 1.0]


def test_more_than_255_masks_in_one_image() -> None:
    """pycocotools.mask.area overflows there under numpy 2; the IoU of a mask must not."""
    masks = [rectangle(i % 100, i // 100, i % 100 + 12, i // 100 + 12) for i in range(300)]
    annotations = [annotation(i + 1, 10, mask) for i, mask in enumerate(masks)]
    found = Detections.from_rows([detection(10, mask, 0.5) for mask in masks])
    assert np.all(true_ious(as_coco(annotations, num_images=1), found) == 1)
