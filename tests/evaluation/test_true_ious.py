"""Tests of true IoUs against IoUs counted pixel by pixel."""

import numpy as np
import pycocotools.mask as mask_utils
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.evaluation.true_ious import ground_truth_masks, true_ious
from tests.support.coco_scenes import annotation, as_coco, detection, random_scene, rectangle


def brute_force(detections: list[dict], annotations: list[dict]) -> list[float]:
    """Decodes every pair of masks and counts pixels."""
    best = []
    for d in detections:
        mask = mask_utils.decode(d["segmentation"]).astype(bool)
        ious = [0.0]
        for a in annotations:
            same = (a["image_id"], a["category_id"]) == (d["image_id"], d["category_id"])
            if same and not a["iscrowd"]:
                truth = mask_utils.decode(a["segmentation"]).astype(bool)
                ious.append((mask & truth).sum() / max(1, (mask | truth).sum()))
        best.append(max(ious))
    return best


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_equals_pixel_counts(seed: int) -> None:
    annotations, detections = random_scene(seed)
    ious = true_ious(as_coco(annotations, num_images=3), Detections.from_rows(detections))
    assert ious.shape == (len(detections),)
    assert ious == pytest.approx(brute_force(detections, annotations), abs=1e-12)


def test_only_the_same_class_in_the_same_image_counts() -> None:
    mask = rectangle(10, 10, 50, 50)
    coco = as_coco([annotation(1, 10, mask, category_id=3)], num_images=2)
    found = [
        detection(10, mask, 0.9, category_id=3),
        detection(10, mask, 0.9, category_id=7),
        detection(11, mask, 0.9, category_id=3),
    ]
    assert true_ious(coco, Detections.from_rows(found)).tolist() == [1.0, 0.0, 0.0]


def test_a_crowd_region_is_not_an_instance() -> None:
    mask = rectangle(10, 10, 50, 50)
    coco = as_coco([annotation(1, 10, mask, iscrowd=1)], num_images=1)
    assert ground_truth_masks(coco) == {}
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
    column = [20, 40, 60]  # rows before, in and after the rectangle
    counts = [10 * 120 + 20] + [40, 80] * 39 + [40, 60 + 70 * 120]
    assert sum(column) == 120 and sum(counts) == 120 * 120
    runs["segmentation"] = {"size": [120, 120], "counts": counts}
    found = Detections.from_rows([detection(10, mask, 0.5), detection(11, mask, 0.5)])
    assert true_ious(as_coco([polygon, runs], num_images=2), found).tolist() == [1.0, 1.0]


def test_more_than_255_masks_in_one_image() -> None:
    """pycocotools.mask.area overflows there under numpy 2; the IoU of a mask must not."""
    masks = [rectangle(i % 100, i // 100, i % 100 + 12, i // 100 + 12) for i in range(300)]
    annotations = [annotation(i + 1, 10, mask) for i, mask in enumerate(masks)]
    found = Detections.from_rows([detection(10, mask, 0.5) for mask in masks])
    assert np.all(true_ious(as_coco(annotations, num_images=1), found) == 1)
