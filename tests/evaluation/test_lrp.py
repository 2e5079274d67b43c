"""Tests of LRP and optimal LRP against brute force and a case worked by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msrcnn_mm.evaluation.lrp import class_lrp
from tests.support.coco_scenes import as_coco, evaluate, random_scene
from tests.support.plain_matching import mean, of_class, plain_found


def plain_lrp(
    found: list[float], instances: int
) -> tuple[float, float | None, float | None, float]:
    hits = [iou for iou in found if iou > 0]
    false, missed = len(found) - len(hits), instances - len(hits)
    lost = sum((1 - iou) / 0.5 for iou in hits)
    return (
        (lost + false + missed) / (len(hits) + false + missed),
        mean([1 - iou for iou in hits]),
        false / len(found) if hits else None,
        missed / instances,
    )


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_equals_brute_force(seed: int) -> None:
    annotations, detections = random_scene(seed)
    scores = [d["score"] for d in detections]
    found = plain_found(annotations, detections, scores, 0.5)
    evaluation = evaluate(as_coco(annotations, num_images=3), detections)
    every, optimal = [], []
    for one in evaluation.classes:
        ours = one.scores["class_score"].lrp
        truths = [a for a in annotations if a["category_id"] == one.category_id]
        instances = sum(not a["iscrowd"] for a in truths)
        if not instances:
            assert ours is None
            continue
        assert ours is not None
        own = of_class(detections, found, one.category_id)
        whole = plain_lrp([found[i] for i in own], instances)
        assert ours.every.error == pytest.approx(whole[0])
        assert ours.every.localisation == pytest.approx(whole[1])
        assert ours.every.false_positive == pytest.approx(whole[2])
        assert ours.every.false_negative == pytest.approx(whole[3])
        thresholds = sorted({scores[i] for i in own}, reverse=True)
        at = [plain_lrp([found[i] for i in own if scores[i] >= t], instances) for t in thresholds]
        least = min((errors[0] for errors in at), default=1.0)
        assert ours.optimal.error == pytest.approx(least)
        if whole[1] is None:
            assert ours.threshold is None
        else:
            assert plain_lrp([found[i] for i in own if scores[i] >= ours.threshold], instances)[
                0
            ] == pytest.approx(least)
        every.append(whole[0])
        optimal.append(least)
    assert evaluation.lrp["class_score"].every.error == pytest.approx(mean(every))
    assert evaluation.lrp["class_score"].optimal.error == pytest.approx(mean(optimal))


def test_a_case_worked_by_hand() -> None:
    """Four instances. In order: IoU .9, a false alarm, IoU .7, two false alarms."""
    scores, found = np.array([0.9, 0.8, 0.7, 0.3, 0.2]), np.array([0.9, 0, 0.7, 0, 0])
    lrp = class_lrp(scores, found, instances=4)
    # after the 1st (.2 + 3) / 4 = .8, 2nd 4.2 / 5 = .84, 3rd (.2 + .6 + 1 + 2) / 5 = .76, then more
    assert lrp.threshold == 0.7
    assert lrp.optimal.error == pytest.approx(0.76)
    assert lrp.optimal.localisation == pytest.approx(0.2)
    assert lrp.optimal.false_positive == pytest.approx(1 / 3)
    assert lrp.optimal.false_negative == pytest.approx(0.5)
    assert lrp.every.error == pytest.approx((0.8 + 3 + 2) / 7)
    assert lrp.every.false_positive == pytest.approx(3 / 5)


def test_a_threshold_keeps_all_equal_scores_or_none() -> None:
    """The best set would be the first detection alone, which no threshold gives."""
    lrp = class_lrp(np.array([0.5, 0.5]), np.array([1.0, 0.0]), instances=1)
    assert lrp.optimal.error == pytest.approx(0.5)
    assert lrp.threshold == 0.5


@pytest.mark.parametrize("count", [0, 3])
def test_nothing_found(count: int) -> None:
    lrp = class_lrp(np.full(count, 0.5), np.zeros(count), instances=2)
    assert lrp.every == lrp.optimal
    assert lrp.every.error == lrp.every.false_negative == 1
    assert lrp.every.localisation is lrp.every.false_positive is lrp.threshold is None
