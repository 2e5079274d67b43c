"""Tests the wording of the three answers, each rule at its limit."""

import dataclasses

import pytest

from msrcnn_mm.report.evaluated_detector import EvaluatedDetector
from msrcnn_mm.report.summary import CLOSE, ROUGH, gap_marks, summarize
from tests.support.report.detectors import detector_of, random_detector, with_evaluation

# class score, width of 40, predicted IoU
GOOD = [(0.9, 20, 0.5), (0.8, 40, 1.0), (0.7, 38, 0.95), (0.6, 24, 0.6)]


def with_calibration(detector: EvaluatedDetector, laece: float | None) -> EvaluatedDetector:
    known = detector.evaluation.calibration_errors
    changed = {name: dataclasses.replace(c, laece=laece) for name, c in known.items()}
    return with_evaluation(detector, calibration_errors=changed)


@pytest.mark.parametrize(
    ("laece", "headline"),
    [
        (CLOSE, "Yes"),
        (CLOSE + 1e-6, "Roughly"),
        (ROUGH, "Roughly"),
        (ROUGH + 1e-6, "Not as numbers"),
        (None, "Unknown"),
    ],
)
def test_trust(laece: float | None, headline: str) -> None:
    assert summarize(with_calibration(detector_of(GOOD), laece))[0].headline == headline


def test_trust_has_the_calibrated_score_beside_the_others() -> None:
    detector = detector_of(GOOD)
    known = detector.evaluation.calibration_errors
    assert "alibrated score" not in summarize(detector)[0].text
    calibrated = dataclasses.replace(known["mask_score"], laece=0.011)
    detector = with_evaluation(
        detector, calibration_errors=known | {"calibrated_score": calibrated}
    )
    assert "The calibrated score is off by 1.1." in summarize(detector)[0].text


def test_trust_names_the_direction_of_the_error() -> None:
    def text(masks: list[tuple[float, int, float | None]]) -> str:
        return summarize(detector_of(masks))[0].text

    assert "on the whole too high" in text([(0.99, 20, None), (0.98, 24, None)])
    assert "on the whole too low" in text([(0.2, 36, None), (0.3, 40, None)])
    assert "on the whole" not in text([(0.5, 20, None), (0.6, 24, None)])


def test_trust_weighs_bins_by_their_masks() -> None:
    many = [(0.99, 36, None)] * 30  # 0.09 too high
    few = [(0.11, 36, None)]  # 0.79 too low
    assert "too high" in summarize(detector_of(many + few))[0].text


def test_scores_outside_the_unit_interval_are_no_numbers() -> None:
    answer = summarize(detector_of([(7.0, 40, None)]))[0]
    assert answer.headline == "No" and "leaves [0, 1]" in answer.text


def test_nothing_to_trust() -> None:
    first, _, cut = summarize(detector_of([(0.01, 0, 0.1), (0.02, 10, 0.1)]))
    assert first.headline == "Nothing to trust"
    assert cut.headline == "Nowhere"


def test_help_is_the_difference_of_the_aps() -> None:
    detector = detector_of(GOOD)
    rankings = detector.evaluation.rankings
    won = rankings["mask_score"].ap["AP"] - rankings["class_score"].ap["AP"]  # type: ignore[operator]
    answer = summarize(detector)[1]
    assert won > 0.01
    assert answer.headline == f"+{100 * won:.1f}" and answer.unit == "AP"
    assert "recovers 100% of the oracle gap" in answer.text


def test_a_lower_ap_is_called_a_loss() -> None:
    harmful = [(0.9, 40, 0.3), (0.8, 20, 1.0)]
    answer = summarize(detector_of(harmful))[1]
    assert answer.headline.startswith("\N{MINUS SIGN}") and "It lowers AP" in answer.text


def test_nothing_to_win() -> None:
    answer = summarize(detector_of([(0.9, 40, 1.0), (0.5, 30, 0.7)]))[1]
    assert answer.headline == "+0.0" and "next to nothing to win" in answer.text


def test_a_small_gain_is_called_noise() -> None:
    detector = detector_of(GOOD)
    rankings = dict(detector.evaluation.rankings)
    by_class = rankings["class_score"]
    ap = dict(by_class.ap, AP=by_class.ap["AP"] + 0.0019)  # type: ignore[operator]
    rankings["mask_score"] = dataclasses.replace(by_class, ap=ap)
    assert "within the noise" in summarize(with_evaluation(detector, rankings=rankings))[1].text
    ap["AP"] += 0.0002
    assert "within the noise" not in summarize(with_evaluation(detector, rankings=rankings))[1].text


def test_without_mask_scores_the_possible_gain_is_given() -> None:
    detector = detector_of([(score, width, None) for score, width, _ in GOOD])
    answer = summarize(detector)[1]
    gap = detector.evaluation.oracle_gap["AP"]
    assert gap and answer.headline == "No mask score"
    assert f"a perfect one would gain {100 * gap:.1f} points" in answer.text


def test_cut_is_the_threshold_of_least_error() -> None:
    detector = detector_of([(0.9, 40, 1.0), (0.8, 36, 0.9), (0.7, 0, 0.1), (0.6, 0, 0.1)])
    answer = summarize(detector)[2]
    lrp = detector.evaluation.classes[0].scores[detector.threshold_score].lrp
    assert lrp is not None and lrp.threshold == 0.8 and detector.threshold_score == "class_score"
    assert answer.headline == "\N{GREATER-THAN OR EQUAL TO} 0.80" and answer.unit == "class score"
    assert "50% of the instances are found, 100% of the masks kept are right" in answer.text
    assert "mean IoU of 0.95" in answer.text


def test_cut_is_on_the_score_that_leaves_least_error() -> None:
    detector = detector_of([(0.9, 0, 0.1), (0.8, 40, 1.0), (0.7, 40, 0.9)])
    errors = {name: lrp.optimal.error for name, lrp in detector.evaluation.lrp.items()}
    assert detector.threshold_score == "mask_score"
    assert [name for name in errors if errors[name] == min(errors.values())] == ["mask_score"]
    assert summarize(detector)[2].unit == "mask score"


def test_several_classes_have_several_cuts() -> None:
    detector = random_detector(5)
    thresholds = detector.thresholds(detector.threshold_score)
    answer = summarize(detector)[2]
    assert len(thresholds) == 2
    assert f"{(thresholds[0] + thresholds[1]) / 2:.2f}" in answer.headline
    assert f"{thresholds[0]:.2f} to {thresholds[1]:.2f}" in answer.text


def test_marks_are_from_the_worst_ap_to_the_best() -> None:
    detector = detector_of(GOOD)
    aps = {name: r.ap["AP"] or 0.0 for name, r in detector.evaluation.rankings.items()}
    low, high = min(aps.values()), max(aps.values())
    assert len(aps) == 4 and low < aps["class_score"] < high == aps["oracle"]
    assert dict(gap_marks(detector)) == pytest.approx(
        {name: 100 * (ap - low) / (high - low) for name, ap in aps.items()}
    )
    assert gap_marks(detector_of([(0.9, 40, 1.0)])) == []
