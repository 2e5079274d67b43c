"""Tests of resampled figures against data sets in which images really are there several times."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.evaluation import bootstrap
from msrcnn_mm.evaluation.bootstrap import draw_images, resampled_aps, resampled_laeces
from msrcnn_mm.evaluation.matching import matched_ious
from msrcnn_mm.evaluation.overlaps import find_overlaps
from tests.support.coco_scenes import (
    annotation,
    as_coco,
    average_precisions,
    detection,
    evaluate,
    plain_pycocotools,
    protocol,
    random_scene,
    rectangle,
)

IMAGES = 4


def figures(
    annotations: list[dict], detections: list[dict], draws: np.ndarray, images: int = IMAGES
) -> tuple[np.ndarray, np.ndarray]:
    """Returns (B,) APs and (B,) LaECE_0 by mask score."""
    coco, columns = as_coco(annotations, images), Detections.from_rows(detections)
    whole = protocol(coco)
    overlaps = find_overlaps(coco, columns, whole)
    scores = np.array([d["mask_score"] for d in detections])[overlaps.detections]
    matched = matched_ious(overlaps, scores, whole, (0.0,))[0]
    draws = np.asarray(draws, float)
    return (
        resampled_aps(overlaps, scores, whole, draws),
        resampled_laeces(overlaps, scores, matched, draws),
    )


def repeated(rows: list[dict], times: list[int]) -> list[dict]:
    """Returns the rows of a data set in which image 10 + i is there ``times[i]`` times."""
    firsts = 10 + np.cumsum([0, *times])
    copies = [
        row | {"image_id": int(firsts[row["image_id"] - 10]) + copy}
        for row in rows
        for copy in range(times[row["image_id"] - 10])
    ]
    for number, row in enumerate(copies, 1):
        if "id" in row:
            row["id"] = number
    return copies


def assert_figures(found: np.ndarray, expected: float | None) -> None:
    wanted = np.nan if expected is None else expected
    assert found == pytest.approx([wanted] * len(found), abs=1e-12, nan_ok=True)


def without_ties(detections: list[dict]) -> list[dict]:
    """Returns the detections with scores of which no two are equal."""
    return [d | {"mask_score": d["mask_score"] + 1e-6 * i} for i, d in enumerate(detections)]


@given(seed=st.integers(0, 2**32 - 1), block=st.sampled_from([1, 2, 256]))
@settings(max_examples=60, deadline=None)
def test_images_drawn_once_give_the_figures_themselves(seed: int, block: int) -> None:
    annotations, detections = random_scene(seed, IMAGES)
    assume(detections)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bootstrap, "_BLOCK", block)
        aps, laeces = figures(annotations, detections, np.ones((IMAGES, 2)))
    coco = as_coco(annotations, IMAGES)
    expected = average_precisions(coco, detections, [d["mask_score"] for d in detections])[0]
    assert aps == pytest.approx(
        [np.nan if expected == -1 else expected] * 2, abs=1e-12, nan_ok=True
    )
    laece = evaluate(coco, detections).calibration_errors["mask_score"].laece
    assert_figures(laeces, laece)


@given(seed=st.integers(0, 2**32 - 1), times=st.lists(st.integers(0, 4), min_size=4, max_size=4))
@settings(max_examples=60, deadline=None)
def test_images_drawn_several_times_equal_copies_of_them(seed: int, times: list[int]) -> None:
    annotations, detections = random_scene(seed, IMAGES)
    detections = without_ties(detections)
    copied = repeated(detections, times)
    assume(copied)
    aps, laeces = figures(annotations, detections, np.array(times)[:, None])
    coco = as_coco(repeated(annotations, times), sum(times))
    expected = plain_pycocotools(coco, copied, [d["mask_score"] for d in copied])[0]
    assert_figures(aps, None if expected == -1 else expected)
    laece = evaluate(coco, copied).calibration_errors["mask_score"].laece
    assert_figures(laeces, laece)


@pytest.mark.parametrize("found", range(0, 21))
def test_recalls_that_are_those_of_coco(found: int) -> None:
    """0.35 = 7/20 is below COCO's recall of the same name, which is rounded up."""
    mask = rectangle(10, 10, 50, 50)
    annotations = [annotation(i + 1, 10 + i, mask) for i in range(20)]
    wrong = detection(10, rectangle(90, 90, 99, 99), 0.1, mask_iou=1)
    right = [detection(10 + i, mask, 0.9 - i / 100, mask_iou=1) for i in range(found)]
    aps, _ = figures(annotations, [*right, wrong], np.ones((20, 1)), 20)
    coco = as_coco(annotations, 20)
    scores = [d["score"] for d in (*right, wrong)]
    assert aps[0] == pytest.approx(average_precisions(coco, [*right, wrong], scores)[0], abs=1e-12)


def test_draws_are_the_same_every_time_and_as_many_as_there_are_images() -> None:
    draws = draw_images(7)
    assert draws.shape == (7, bootstrap.RESAMPLES)
    assert np.all(draws.sum(axis=0) == 7)
    assert draws.mean() == 1 and draws.var() == pytest.approx(1 - 1 / 7, abs=0.05)
    assert np.array_equal(draws, draw_images(7))
    at_once = np.random.default_rng(0).integers(7, size=(bootstrap.RESAMPLES, 7))
    assert np.array_equal(draws.T, [np.bincount(one, minlength=7) for one in at_once])


def test_no_detections_find_nothing() -> None:
    annotations, _ = random_scene(4, IMAGES, crowds=False)
    aps, laeces = figures(annotations, [], np.ones((IMAGES, 3)))
    assert aps.tolist() == [0, 0, 0] and np.isnan(laeces).all()
