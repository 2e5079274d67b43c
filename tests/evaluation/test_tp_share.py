"""Tests of the TP share against pycocotools' own matches, and of its use as a ceiling."""

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.support.coco_scenes import (
    annotation,
    as_coco,
    detection,
    evaluate,
    plain_tp_shares,
    protocol,
    random_scene,
    rectangle,
)

MASK = rectangle(10, 10, 50, 50)


@given(seed=st.integers(0, 2**32 - 1), max_det=st.sampled_from([1, 2, 100]))
@settings(max_examples=60, deadline=None)
def test_equals_the_matches_of_pycocotools(seed: int, max_det: int) -> None:
    annotations, detections = random_scene(seed)
    assume(detections)  # pycocotools cannot load none
    coco = as_coco(annotations, num_images=3)
    ours = evaluate(coco, detections, protocol(coco, (max_det,))).detections.tp_shares
    np.testing.assert_array_equal(ours, plain_tp_shares(coco, detections, max_det))


def test_a_duplicate_has_none_and_a_rough_mask_some() -> None:
    coco = as_coco([annotation(1, 10, MASK), annotation(2, 11, MASK)], 2)
    rough = rectangle(10, 10, 39, 50)  # IoU 0.725
    found = [
        detection(10, MASK, 0.8),
        detection(10, MASK, 0.7),
        detection(11, rough, 0.6),
        detection(11, MASK, 0.5),  # matched where the rough one is not
        detection(11, rectangle(90, 90, 99, 99), 0.9),
    ]
    assert evaluate(coco, found).detections.tp_shares.tolist() == [1, 0, 0.5, 0.5, 0]


def test_masks_in_crowd_regions_and_of_other_classes_have_none() -> None:
    coco = as_coco([annotation(1, 10, rectangle(0, 0, 100, 100), iscrowd=1)], 1)
    inside = detection(10, MASK, 0.9)
    half = detection(10, rectangle(70, 0, 120, 40), 0.9)  # 0.6 of it lies in the region
    stray = detection(10, MASK, 0.9, category_id=99)
    shares = evaluate(coco, [inside, half, stray]).detections.tp_shares
    np.testing.assert_array_equal(shares, [np.nan, 0, np.nan])


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_no_order_by_a_score_has_a_higher_ap_where_each_mask_fits_one_instance(seed: int) -> None:
    rng = np.random.default_rng(seed)
    annotations = [annotation(i + 1, 10 + i, MASK) for i in range(6)]
    found = [
        detection(10 + i, rectangle(10, 10, int(x), 50), float(s), mask_iou=float(m))
        for i, x, s, m in zip(
            range(6), rng.integers(20, 60, 6), rng.random(6), rng.random(6), strict=True
        )
    ]
    rankings = evaluate(as_coco(annotations, 6, {3: "ring"}), found).rankings
    best = rankings["tp_share"].ap["AP"] or 0
    assert all((one.ap["AP"] or 0) <= best + 1e-12 for one in rankings.values())
