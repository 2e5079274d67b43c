"""Tests the comparison of detectors: it is paired by image, and its words follow the interval."""

import pytest

from msrcnn_mm.evaluation.evaluation_result import Estimate
from msrcnn_mm.report.comparison import Comparison, compare, in_words
from tests.support.report.detectors import detector_of

MASKS = [(0.9 - i / 50, 40 - i, 0.9) for i in range(14)]


def test_the_better_of_two_detectors_is_named() -> None:
    worse = detector_of([(score, width - 6, iou) for score, width, iou in MASKS])
    (comparison,) = compare([detector_of(MASKS), worse])
    difference = comparison.difference
    assert difference.value == comparison.ap - comparison.first_ap < 0
    assert difference.low is not None and difference.high is not None
    assert difference.low < difference.value < difference.high < 0
    assert in_words(comparison).endswith(" made ranks better.")


def test_a_detector_and_itself_are_the_same_on_all_images() -> None:
    """Each alone has an AP that depends on the images."""
    comparisons = compare([detector_of(MASKS), detector_of(MASKS), detector_of(MASKS)])
    assert [c.difference for c in comparisons] == [Estimate(0, 0, 0)] * 2
    assert "cannot be told" in in_words(comparisons[0])


def test_each_is_ranked_by_the_score_that_it_has() -> None:
    plain = detector_of([(score, width, None) for score, width, _ in MASKS])
    (comparison,) = compare([plain, detector_of(MASKS)])
    assert (comparison.first_score, comparison.score) == ("class_score", "mask_score")
    assert "by mask score, made" in in_words(comparison)


@pytest.mark.parametrize(
    ("low", "high", "says"),
    [
        (0.01, 0.03, "+2.0 (+1.0 to +3.0), with the 95% interval in brackets. new ranks better."),
        (-0.03, -0.01, "old ranks better."),
        (-0.01, 0.05, "Which ranks better cannot be told from these images."),
        (None, None, "a difference of +2.0. Which ranks better cannot be told"),
    ],
)
def test_words(low: float | None, high: float | None, says: str) -> None:
    difference = Estimate(0.02, low, high)
    one = Comparison("new", "mask_score", 0.5, "old", "class_score", 0.48, difference)
    assert says in in_words(one)


def test_one_detector_has_nothing_to_be_compared_with() -> None:
    assert compare([detector_of(MASKS)]) == []
