"""Tests of the intervals: they hold what they should, and few images have none."""

import numpy as np
import pytest

from msrcnn_mm.evaluation.intervals import _estimate, ap_difference
from tests.support.coco_scenes import annotation, as_coco, detection, evaluate, rectangle

MASK = rectangle(20, 20, 60, 60)


def scene(images: int, seed: int = 0) -> tuple:
    """Returns two masks in each image, of which the better one has the higher mask IoU."""
    rng = np.random.default_rng(seed)
    annotations = [annotation(i + 1, 10 + i, MASK) for i in range(images)]
    rows = []
    for i in range(images):
        for _ in range(2):
            width = int(rng.integers(20, 41))
            score = float(rng.random())
            mask = rectangle(20, 20, 20 + width, 60)
            rows.append(detection(10 + i, mask, score, mask_iou=width / 40))
    return as_coco(annotations, images, {3: "ring"}), rows


def test_the_interval_has_the_quantiles_around_the_figure() -> None:
    resampled = np.append((np.arange(1001) / 1000) ** 2, np.nan)
    found = _estimate(0.1, resampled)
    mean = np.mean((np.arange(1001) / 1000) ** 2)
    ends = (0.1 + 0.025**2 - mean, 0.1 + 0.975**2 - mean)
    assert (found.low, found.high) == pytest.approx(ends)
    assert _estimate(0.1, resampled, least=0).low == 0
    assert _estimate(0.4, np.full(3, np.nan)).low is None
    assert _estimate(0.4, None).sign is None


@pytest.mark.parametrize(
    ("low", "high", "sign"),
    [(0.1, 0.2, 1), (0, 0.25, None), (-0.1, 0.1, None), (-0.25, 0, -1), (0, 0, -1)],
)
def test_the_sign_is_that_of_the_whole_interval(low: float, high: float, sign: int | None) -> None:
    found = _estimate((low + high) / 2, np.array([low, high] * 500) + 0.5)
    assert (found.low, found.high) == pytest.approx((low, high)) and found.sign == sign


def test_gains_hold_the_figures_and_are_paired() -> None:
    evaluation = evaluate(*scene(40))
    gain = evaluation.ap_gains["mask_score"]
    aps = {name: ranking.ap["AP"] or 0 for name, ranking in evaluation.rankings.items()}
    assert gain.value == aps["mask_score"] - aps["class_score"] > 0
    assert list(evaluation.ap_gains) == ["mask_score", "maskness", "quality_oracle"]
    assert evaluation.ap_gains["quality_oracle"].value == evaluation.quality_gap["AP"]
    assert gain.low is not None and gain.high is not None and gain.low < gain.value < gain.high
    assert evaluation.resamples is not None
    own, by_class = (evaluation.resamples.aps[n] for n in ("mask_score", "class_score"))
    assert np.std(own - by_class) < np.hypot(np.std(own), np.std(by_class))
    again = evaluate(*scene(40)).ap_gains
    assert again == evaluation.ap_gains


def test_laece_has_an_interval_and_a_change() -> None:
    evaluation = evaluate(*scene(40))
    errors = {n: e.laece or 0 for n, e in evaluation.calibration_errors.items()}
    for name, one in evaluation.laece_intervals.items():
        assert one.value == errors[name]
        assert one.low is not None and one.high is not None and 0 <= one.low < one.high
    change = evaluation.laece_changes["mask_score"]
    assert change.value == errors["mask_score"] - errors["class_score"]
    assert list(evaluation.laece_changes) == ["mask_score", "maskness"]


def test_resamples_differ_as_much_as_other_images_do() -> None:
    """Other sets of 40 images are drawn as the first was."""
    own, spreads = [], []
    for seed in range(40):
        evaluation = evaluate(*scene(40, seed))
        own.append(evaluation.ap_gains["mask_score"].value)
        assert evaluation.resamples is not None
        aps = evaluation.resamples.aps
        spreads.append(np.std(aps["mask_score"] - aps["class_score"]))
    assert np.mean(spreads) == pytest.approx(np.std(own), rel=0.3)


@pytest.mark.parametrize("images", [9, 10])
def test_few_images_have_no_interval(images: int) -> None:
    evaluation = evaluate(*scene(images))
    assert (evaluation.resamples is None) == (images == 9)
    assert (evaluation.ap_gains["mask_score"].low is None) == (images == 9)
    assert (evaluation.laece_intervals["class_score"].low is None) == (images == 9)


def test_images_with_masks_and_with_instances_are_what_counts() -> None:
    coco, rows = scene(40)
    assert evaluate(coco, [row for row in rows if row["image_id"] < 19]).resamples is None
    assert evaluate(coco, [row for row in rows if row["image_id"] < 20]).resamples is not None
    few = as_coco([a for a in coco.dataset["annotations"] if a["image_id"] < 19], 40, {3: "ring"})
    assert evaluate(few, rows).resamples is None


def test_detectors_without_ground_truth_have_no_difference() -> None:
    coco, rows = scene(12)
    evaluation = evaluate(as_coco([], 12, {3: "ring"}), rows)
    assert ap_difference(evaluation, "mask_score", evaluation, "class_score") is None
    assert evaluation.ap_gains == {} and evaluation.resamples is None
    whole = evaluate(coco, rows)
    both = ap_difference(whole, "mask_score", whole, "class_score")
    assert both == whole.ap_gains["mask_score"]
