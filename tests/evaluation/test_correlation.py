"""Tests of correlations with the true IoU against plain loops and cases worked by hand."""

import json
import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.evaluation.correlation import (
    NUM_BINS,
    Correlation,
    ScorePoints,
    correlate,
    mask_iou_quality,
    report,
    score_points,
)
from msrcnn_mm.evaluation.evaluation_result import MaskIouQuality


def pearson(xs: list[float], ys: list[float]) -> float:
    """Returns the coefficient by its definition, in plain Python."""
    x0, y0 = sum(xs) / len(xs), sum(ys) / len(ys)
    shared = sum((x - x0) * (y - y0) for x, y in zip(xs, ys, strict=True))
    return shared / math.sqrt(sum((x - x0) ** 2 for x in xs) * sum((y - y0) ** 2 for y in ys))


def ranks(values: list[float]) -> list[float]:
    """Returns ranks from 1; tied values share the mean of theirs."""
    return [
        sum(other < value for other in values) + (sum(other == value for other in values) + 1) / 2
        for value in values
    ]


def check(found: Correlation | MaskIouQuality, xs: list[float], ys: list[float]) -> None:
    assert found.pearson == pytest.approx(pearson(xs, ys), abs=1e-9)
    assert found.spearman == pytest.approx(pearson(ranks(xs), ranks(ys)), abs=1e-9)


def of(xs: list[float], ys: list[float]) -> Correlation:
    return correlate(np.array(xs, float), np.array(ys, float))


def test_ties_share_their_mean_rank() -> None:
    """Ranks (1.5, 1.5, 3, 4) and (1, 2, 3.5, 3.5): 4 / sqrt(4.5 * 4.5)."""
    found = of([0.2, 0.2, 0.4, 0.8], [0.1, 0.3, 0.6, 0.6])
    assert found.spearman == pytest.approx(4 / 4.5)


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_random_scores_with_ties(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(2, 40))
    xs, ys = (rng.integers(0, 8, count) / 8 for _ in range(2))
    xs[:2], ys[:2] = (0, 1), (1, 0)  # neither is constant
    check(of(xs.tolist(), ys.tolist()), xs.tolist(), ys.tolist())


@pytest.mark.parametrize(
    ("scores", "true_ious"),
    [([], []), ([0.5], [0.7]), ([0.5, 0.5], [0.1, 0.9]), ([0.1, 0.9], [0.0, 0.0])],
)
@pytest.mark.filterwarnings("error")
def test_undefined_is_none_and_never_nan(scores: list[float], true_ious: list[float]) -> None:
    found = of(scores, true_ious)
    assert (found.pearson, found.spearman, found.count) == (None, None, len(scores))
    assert "NaN" not in json.dumps(report({"class score": points(scores, true_ious)}, 0.0))


@pytest.mark.filterwarnings("error")
def test_scores_that_differ_by_rounding_alone() -> None:
    found = of([0.5, np.nextafter(0.5, 1), 0.5], [0.1, 0.2, 0.3])
    assert found.pearson is None or -1 <= found.pearson <= 1


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_bins(seed: int) -> None:
    """Each mask is in one bin, by comparison with its bounds."""
    rng = np.random.default_rng(seed)
    scores = np.append(rng.random(30), [0, 1, 0.5, 0.1])
    true_ious = rng.random(len(scores))
    found = correlate(scores, true_ious).bins
    assert len(found) == NUM_BINS
    assert all(a.high == b.low for a, b in pairwise(found))
    for i, b in enumerate(found):
        last = i == NUM_BINS - 1
        own = [
            iou
            for score, iou in zip(scores, true_ious, strict=True)
            if b.low <= score and (score < b.high or last)
        ]
        assert b.count == len(own)
        assert b.mean_true_iou == (pytest.approx(sum(own) / len(own)) if own else None)


def test_scores_out_of_range_are_in_the_outer_bins() -> None:
    """MMDetection's built-in mask scoring gives such scores."""
    found = of([-0.3, 1.7], [0.2, 0.8]).bins
    assert (found[0].mean_true_iou, found[-1].mean_true_iou) == (0.2, 0.8)


def points(scores: list[float], true_ious: list[float]) -> ScorePoints:
    return ScorePoints(np.array(scores, float), np.array(true_ious, float))


NAN = float("nan")
DETECTIONS = Detections(
    image_ids=[1] * 4,
    category_ids=[1] * 4,
    class_scores=np.array([0.9, 0.05, 0.04, 0.6]),
    mask_ious=np.array([0.5, 0.8, 0.3, NAN]),
    mask_scores=np.array([0.45, 0.04, 0.012, NAN]),
)


def test_each_score_has_the_detections_that_carry_it() -> None:
    found = score_points(DETECTIONS, np.array([0.4, 0.9, 0.1, 0.7]), 0.05)
    assert {word: p.scores.tolist() for word, p in found.items()} == {
        "class score": [0.9, 0.05, 0.6],
        "mask IoU": [0.5, 0.8],
        "mask score": [0.45, 0.04],
    }
    assert found["class score"].true_ious.tolist() == [0.4, 0.9, 0.7]
    assert found["mask score"].true_ious.tolist() == [0.4, 0.9]
    bare = replace(DETECTIONS, mask_ious=None, mask_scores=np.full(4, NAN))
    assert list(score_points(bare, np.zeros(4), 0.05)) == ["class score"]
    assert score_points(DETECTIONS, np.zeros(4), 0.95) == {}


def test_matched_masks_are_those_of_an_instance() -> None:
    p = points([0.1, 0.2, 0.8, 0.9], [0.49, 0.5, 0.6, 0.9])
    check(p.matched, [0.2, 0.8, 0.9], [0.5, 0.6, 0.9])
    assert (p.all.count, p.matched.count) == (4, 3)


def test_report_can_be_written_as_json() -> None:
    found = score_points(DETECTIONS, np.array([0.4, 0.9, 0.1, 0.7]), 0.05)
    back = json.loads(json.dumps(report(found, 0.05)))
    assert (back["score_thr"], back["matched_true_iou"]) == (0.05, 0.5)
    assert list(back["scores"]) == ["class_score", "mask_iou", "mask_score"]
    both = back["scores"]["class_score"]
    assert (both["all"]["count"], both["matched"]["count"]) == (3, 2)
    assert both["all"]["pearson"] == found["class score"].all.pearson
    assert back["scores"]["mask_iou"]["matched"]["pearson"] is None
    assert both["all"]["bins"][0] == dict(low=0.0, high=0.1, count=1, mean_true_iou=0.9)


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_mask_iou_quality_equals_plain_computations(seed: int) -> None:
    rng = np.random.default_rng(seed)
    predicted, true = rng.random(30).round(1), rng.random(30)  # ties are common
    quality = mask_iou_quality(predicted, true)
    kept = [(s, t) for s, t in zip(predicted, true, strict=True) if t >= 0.1]
    s, t = np.array(kept).T
    assert quality.masks == len(kept)
    assert quality.mean_absolute_error == pytest.approx(np.abs(s - t).sum() / len(kept))
    assert quality.bias == pytest.approx((s - t).sum() / len(kept))
    check(quality, s.tolist(), t.tolist())
    good, bad = s[t > 0.75], s[t <= 0.75]
    wins = [1.0 if g > b else 0.5 if g == b else 0.0 for g in good for b in bad]
    assert quality.auroc == (pytest.approx(np.mean(wins)) if wins else None)


def test_masks_of_nothing_and_masks_without_s_iou_are_left_out() -> None:
    predicted = np.array([0.9, 0.8, np.nan, 0.2])
    quality = mask_iou_quality(predicted, np.array([0.0, 0.6, 0.5, 0.1]))
    assert quality.masks == 2
    assert quality.mean_absolute_error == pytest.approx((0.2 + 0.1) / 2)
    assert quality.bias == pytest.approx(0.15)


def test_a_mask_iou_that_does_not_vary_has_no_correlation() -> None:
    quality = mask_iou_quality(np.full(3, 0.5), np.array([0.2, 0.4, 0.6]))
    assert quality.pearson is quality.spearman is quality.auroc is None
    nothing = mask_iou_quality(np.zeros(0), np.zeros(0))
    assert (nothing.masks, nothing.mean_absolute_error, nothing.bias) == (0, None, None)
