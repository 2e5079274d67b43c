"""Tests the wording of the three answers, each rule at its limit."""

import dataclasses

import pytest

from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.evaluation.evaluate import evaluate_scores
from msrcnn_mm.evaluation.evaluation_result import Estimate
from msrcnn_mm.report.evaluated_detector import EvaluatedDetector
from msrcnn_mm.report.summary import CLOSE, ROUGH, gap_marks, summarize
from tests.support.coco_scenes import annotation, as_coco, detection, rectangle
from tests.support.report.detectors import detector_of, random_detector, with_evaluation

UNKNOWN = "Cannot be told from these images"

# class score, width of 40, predicted IoU
GOOD = [(0.9, 20, 0.5), (0.8, 40, 1.0), (0.7, 38, 0.95), (0.6, 24, 0.6)]


MANY = GOOD * 4


def with_laece(detector: EvaluatedDetector, low: float, high: float) -> EvaluatedDetector:
    known = detector.evaluation.laece_intervals
    changed = {name: Estimate((low + high) / 2, low, high) for name in known}
    return with_evaluation(detector, laece_intervals=changed)


@pytest.mark.parametrize(
    ("low", "high", "headline"),
    [
        (0, CLOSE, "Yes"),
        (0, CLOSE + 1e-6, "Roughly"),
        (CLOSE + 1e-6, ROUGH, "Roughly"),
        (CLOSE, ROUGH + 1e-6, UNKNOWN),
        (ROUGH, 0.5, UNKNOWN),
        (ROUGH + 1e-6, 0.5, "Not as numbers"),
    ],
)
def test_trust_needs_the_whole_interval(low: float, high: float, headline: str) -> None:
    answer = summarize(with_laece(detector_of(GOOD), low, high))[0]
    assert answer.headline == headline
    assert f"95% interval {100 * low:.1f} to {100 * high:.1f}" in answer.text
    assert ("may still rank" in answer.text) == (headline == "Not as numbers")


@pytest.mark.parametrize("images", [1, 9])
def test_few_images_do_not_tell(images: int) -> None:
    """Their scores are right to the last digit, and the mask score ranks perfectly."""
    masks = [(1.0 - i / 100, 40 - i, 1.0 - i / 40) for i in range(images)]
    trust, help_, _ = summarize(detector_of(masks))
    assert trust.headline == help_.headline == UNKNOWN
    assert "needs 10 images with masks and 10 with instances" in trust.text + help_.text


def test_one_mask_does_not_tell() -> None:
    annotations = [annotation(i + 1, 10 + i, rectangle(20, 20, 60, 60)) for i in range(20)]
    rows = [detection(10, rectangle(20, 20, 60, 60), 1.0, mask_iou=1.0)]
    detections, coco = Detections.from_rows(rows), as_coco(annotations, 20, {3: "ring"})
    detector = EvaluatedDetector("one", detections, evaluate_scores(coco, detections))
    assert [answer.headline for answer in summarize(detector)[:2]] == [UNKNOWN, UNKNOWN]


def test_trust_is_unknown_without_detections_or_ground_truth() -> None:
    detector = detector_of(GOOD)
    known = detector.evaluation.calibration_errors
    undefined = {name: dataclasses.replace(c, laece=None) for name, c in known.items()}
    detector = with_evaluation(detector, calibration_errors=undefined)
    assert summarize(detector)[0].headline == "Unknown"


@pytest.mark.parametrize(
    ("low", "high", "says"),
    [(-0.2, -0.1, ", which is more."), (0.1, 0.2, ", which is less."), (-0.1, 0.1, "be told")],
)
def test_trust_compares_with_the_class_score(low: float, high: float, says: str) -> None:
    change = {"mask_score": Estimate(0.0, low, high)}
    assert says in summarize(with_evaluation(detector_of(MANY), laece_changes=change))[0].text


def test_trust_has_the_rescored_score_beside_the_others() -> None:
    detector = detector_of(GOOD)
    known = detector.evaluation.calibration_errors
    assert "escored score" not in summarize(detector)[0].text
    calibrated = dataclasses.replace(known["mask_score"], laece=0.011)
    detector = with_evaluation(detector, calibration_errors=known | {"rescored_score": calibrated})
    assert "The rescored score is off by 1.1." in summarize(detector)[0].text


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
    detector = detector_of(MANY)
    rankings = detector.evaluation.rankings
    won = rankings["mask_score"].ap["AP"] - rankings["class_score"].ap["AP"]  # type: ignore[operator]
    answer = summarize(detector)[1]
    assert won > 0.01
    assert answer.headline == "Helps" and answer.unit == f"+{100 * won:.1f} AP"
    assert "recovers 100% of the quality gap" in answer.text


@pytest.mark.parametrize(
    ("low", "high", "headline", "says"),
    [
        (0.001, 0.004, "Helps", "It recovers"),
        (0.0, 0.004, UNKNOWN, "(+0.0 to +0.4)"),
        (-0.004, 0.004, UNKNOWN, "with the 95% interval in brackets"),
        (-0.004, 0.0, "Does not help", "(\N{MINUS SIGN}0.4 to +0.0)"),
        (-0.004, -0.001, "Does not help", "It lowers AP: rank by class score"),
        (None, None, UNKNOWN, "An interval needs 10 images"),
    ],
)
def test_help_follows_from_the_interval(
    low: float | None, high: float | None, headline: str, says: str
) -> None:
    detector = detector_of(MANY)
    gains = detector.evaluation.ap_gains | {"mask_score": Estimate(0.002, low, high)}
    answer = summarize(with_evaluation(detector, ap_gains=gains))[1]
    assert answer.headline == headline and says in answer.text


def test_a_lower_ap_is_called_a_loss() -> None:
    harmful = [(0.9 - i / 100, 40, 0.3) for i in range(9)] + [
        (0.8 - i / 100, 20, 1.0) for i in range(9)
    ]
    answer = summarize(detector_of(harmful))[1]
    assert answer.headline == "Does not help" and "It lowers AP" in answer.text
    assert answer.unit.startswith("\N{MINUS SIGN}")


def test_nothing_to_win() -> None:
    answer = summarize(detector_of([(0.9 - i / 100, 40, 1.0) for i in range(12)]))[1]
    assert answer.headline == "Does not help" and "next to nothing to win" in answer.text
    assert answer.unit == "+0.0 AP"


def test_without_mask_scores_the_possible_gain_is_given() -> None:
    detector = detector_of([(score, width, None) for score, width, _ in GOOD])
    answer = summarize(detector)[1]
    gap = detector.evaluation.quality_gap["AP"]
    assert gap and answer.headline == "No mask score"
    assert f"a perfect one would gain {100 * gap:.1f} points" in answer.text


def rescored(masks: list[tuple[float, int, float | None]]) -> EvaluatedDetector:
    """Returns a detector whose re-scorer ranks as the quality oracle does."""
    detector = detector_of(masks)
    evaluation = detector.evaluation
    return with_evaluation(
        detector,
        rankings=evaluation.rankings | {"rescored_score": evaluation.rankings["quality_oracle"]},
        ap_gains=evaluation.ap_gains | {"rescored_score": evaluation.ap_gains["quality_oracle"]},
        lrp=evaluation.lrp | {"rescored_score": evaluation.lrp["class_score"]},
    )


def test_the_rescored_score_stands_beside_the_mask_score_or_is_judged() -> None:
    beside = summarize(rescored(MANY))[1]
    alone = summarize(rescored([(score, width, None) for score, width, _ in MANY]))[1]
    assert beside.question == "Does the mask score help?"
    assert alone.question == "Does the rescored score help?"
    evaluation = detector_of(MANY).evaluation
    best, gain = (
        evaluation.rankings["quality_oracle"].ap["AP"],
        evaluation.ap_gains["quality_oracle"],
    )
    assert best is not None and gain.low is not None and gain.high is not None
    won, low, high = (f"+{100 * value:.1f}" for value in (gain.value, gain.low, gain.high))
    says = f"The rescored score reaches {100 * best:.1f}, {won} ({low} to {high}): it helps."
    assert says in beside.text
    assert alone.headline == "Helps" and "reaches" not in alone.text


@pytest.mark.parametrize(
    ("low", "high", "says"),
    [
        (-0.004, 0.0, "(\N{MINUS SIGN}0.4 to +0.0): it does not help."),
        (-0.004, 0.004, "+0.4): whether it helps cannot be told from these images."),
        (None, None, ", +0.2: whether it helps cannot be told from these images."),
    ],
)
def test_the_rescored_score_is_judged_by_its_interval(
    low: float | None, high: float | None, says: str
) -> None:
    detector = rescored(MANY)
    gains = detector.evaluation.ap_gains | {"rescored_score": Estimate(0.002, low, high)}
    assert says in summarize(with_evaluation(detector, ap_gains=gains))[1].text


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
    names = ("class_score", "mask_score", "maskness", "quality_oracle")
    aps = {name: detector.evaluation.rankings[name].ap["AP"] or 0.0 for name in names}
    low, high = min(aps.values()), max(aps.values())
    assert low < aps["class_score"] < high == aps["quality_oracle"]
    assert dict(gap_marks(detector)) == pytest.approx(
        {name: 100 * (ap - low) / (high - low) for name, ap in aps.items()}
    )
    assert gap_marks(detector_of([(0.9, 40, 1.0)])) == []
