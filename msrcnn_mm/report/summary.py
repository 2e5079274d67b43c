"""Words the three answers at the top of the report.

All rules that turn a figure into a word are here; docs/report.md explains them.
"""

from dataclasses import dataclass

import numpy as np

from msrcnn_mm.evaluation.evaluation_result import Estimate
from msrcnn_mm.evaluation.intervals import FEWEST_IMAGES
from msrcnn_mm.evaluation.protocol import (
    CLASS_SCORE,
    MASK_SCORE,
    MASKNESS,
    QUALITY_ORACLE,
    REFERENCES,
    RESCORED_SCORE,
)
from msrcnn_mm.evaluation.score_errors import CalibrationErrors
from msrcnn_mm.evaluation.summaries import HELPS

from .evaluated_detector import EvaluatedDetector
from .number_format import gain, interval, percent, score, share
from .score_styles import NAMES

CLOSE = 0.05  # greatest LaECE_0 of a score that can be taken as a number
ROUGH = 0.15  # greatest LaECE_0 of a score that is roughly right as a number
SMALL_GAP = 0.005  # AP; a smaller quality gap leaves next to nothing to win

_UNKNOWN = HELPS[None].capitalize()
_TOO_FEW = (
    f" An interval needs {FEWEST_IMAGES} images with masks and {FEWEST_IMAGES} with instances."
)


@dataclass(frozen=True)
class Answer:
    """One answer.

    Attributes:
        question: The question.
        headline: The answer as one figure or a few words.
        unit: The unit of the figure, or the figure of the words; may be empty.
        text: The answer in one or two sentences.
    """

    question: str
    headline: str
    unit: str
    text: str


def summarize(detector: EvaluatedDetector) -> list[Answer]:
    """Returns three answers: is a score calibrated, does it raise AP, at which threshold to cut."""
    return [
        _answer_calibration(detector),
        _answer_ap_gain(detector),
        _answer_threshold(detector),
    ]


def _answer_calibration(detector: EvaluatedDetector) -> Answer:
    """Answers from the LaECE_0 of the score that includes mask quality."""
    question = "Can the scores be trusted?"
    name = detector.quality_score or CLASS_SCORE
    calibration = detector.evaluation.calibration_errors.get(name)
    if calibration is None:
        text = f"The {NAMES[name]} leaves [0, 1]: it can rank masks but has no calibration error."
        return Answer(question, "No", "", text)
    if calibration.laece is None:
        text = "There are no masks or no ground truth to compare the scores with."
        return Answer(question, "Unknown", "", text)
    if not any(detector.thresholds(s) for s in detector.scores):
        text = "No mask matches an instance at IoU 0.5. Scores near 0 are then right but useless."
        return Answer(question, "Nothing to trust", "", text)
    laece = detector.evaluation.laece_intervals[name]
    text = (
        f"The {NAMES[name]} is off by {percent(laece.value)} points on average"
        f"{_bias(calibration)} (LaECE\N{SUBSCRIPT ZERO}"
    )
    headline = _UNKNOWN
    if laece.low is None or laece.high is None:
        text += f").{_TOO_FEW}"
    else:
        text += f", 95% interval {percent(laece.low)} to {percent(laece.high)})."
        if laece.high <= ROUGH:
            headline = "Yes" if laece.high <= CLOSE else "Roughly"
        elif laece.low > ROUGH:
            headline = "Not as numbers"
    for other in (CLASS_SCORE, RESCORED_SCORE):
        errors = detector.evaluation.calibration_errors.get(other)
        if name != other and errors and errors.laece is not None:
            text += f" The {NAMES[other]} is off by {percent(errors.laece)}"
            text += _nearness(detector, name) if other == CLASS_SCORE else "."
    if headline == "Not as numbers":
        text += " It may still rank masks well."
    return Answer(question, headline, "", text)


def _nearness(detector: EvaluatedDetector, name: str) -> str:
    """Ends a sentence on the LaECE_0 of the class score: is it more than that of a score?"""
    change = detector.evaluation.laece_changes[name]
    if change.high is not None and change.high < 0:
        return ", which is more."
    if change.low is not None and change.low > 0:
        return ", which is less."
    return "; which is nearer cannot be told from these images."


def _bias(calibration: CalibrationErrors) -> str:
    """Returns a clause if a score is too high or too low on the whole, else an empty text."""
    counts = [b.count for b in calibration.bins]
    errors = [(b.mean_score or 0.0) - (b.mean_iou or 0.0) for b in calibration.bins]
    bias = float(np.average(errors, weights=counts)) if sum(counts) else 0.0
    if abs(bias) < CLOSE / 5:
        return ""
    return ", on the whole too high" if bias > 0 else ", on the whole too low"


def _answer_ap_gain(detector: EvaluatedDetector) -> Answer:
    """Answers from the interval of the difference of AP to that of the class score."""
    evaluation, name = detector.evaluation, detector.quality_score
    question = f"Does the {NAMES[name or MASK_SCORE]} help?"
    by_class = evaluation.rankings[CLASS_SCORE].ap["AP"]
    if by_class is None:
        return Answer(question, "Unknown", "", "There is no ground truth, so AP is undefined.")
    gap = evaluation.ap_gains.get(QUALITY_ORACLE)
    room = "" if gap is None else f"a perfect one would gain {percent(gap.value)}"
    nothing_to_win = gap is not None and _at_most(gap) < SMALL_GAP
    if name is None:
        text = "These results have none" + (f"; {room} points of AP." if room else ".")
        if nothing_to_win:
            text += " There is next to nothing to win."
        return Answer(question, "No mask score", "", text)
    won = evaluation.ap_gains[name]
    text = (
        f"Masks ranked by {NAMES[name]} reach AP {percent(by_class + won.value)}, by class score"
        f" {percent(by_class)}: a difference of {interval(won)}"
    )
    text += "" if won.low is None else ", with the 95% interval in brackets"
    text += f"; {room}." if room else "."
    recovered = evaluation.rankings[name].recovered_share["AP"]
    if won.low is None:
        text += _TOO_FEW
    elif won.high is not None and won.high < 0:
        text += " It lowers AP: rank by class score."
    elif nothing_to_win:
        text += " There is next to nothing to win."
    elif won.sign == 1 and recovered is not None:
        text += f" It recovers {share(recovered)} of the quality gap."
    if name == MASK_SCORE and MASKNESS in evaluation.rankings:
        maskness = percent(evaluation.rankings[MASKNESS].ap["AP"])
        text += f" Maskness, which needs no scorer, reaches {maskness}."
    if name != RESCORED_SCORE and RESCORED_SCORE in evaluation.rankings:
        rescored = percent(evaluation.rankings[RESCORED_SCORE].ap["AP"])
        more = evaluation.ap_gains[RESCORED_SCORE]
        text += f" The {NAMES[RESCORED_SCORE]} reaches {rescored}, {interval(more)}:"
        text += f" {'whether it helps' if more.sign is None else 'it'} {HELPS[more.sign]}."
    return Answer(question, HELPS[won.sign].capitalize(), f"{gain(won.value)} AP", text)


def _at_most(figure: Estimate) -> float:
    """Returns the upper end of the interval; the figure itself if it has none."""
    return figure.value if figure.high is None else figure.high


def _answer_threshold(detector: EvaluatedDetector) -> Answer:
    """Answers from the thresholds of least LRP error."""
    question = "Where to cut?"
    name = detector.threshold_score
    thresholds, middle = detector.thresholds(name), detector.threshold(name)
    if middle is None:
        return Answer(question, "Nowhere", "", "No mask matches an instance at IoU 0.5.")
    best = detector.evaluation.lrp[name].optimal
    text = "At this threshold"
    if len(thresholds) > 1:
        text = (
            f"This is the median of {len(thresholds)} classes. At each class's own best threshold,"
            f" {score(thresholds[0])} to {score(thresholds[-1])},"
        )
    recall = None if best.false_negative is None else 1 - best.false_negative
    precision = None if best.false_positive is None else 1 - best.false_positive
    mean_iou = None if best.localisation is None else 1 - best.localisation
    text += (
        f" {share(recall)} of the instances are found, {share(precision)} of the masks kept are"
        f" right, and the right masks have a mean IoU of {score(mean_iou)}."
    )
    return Answer(question, f"\N{GREATER-THAN OR EQUAL TO} {score(middle)}", NAMES[name], text)


def gap_marks(detector: EvaluatedDetector) -> list[tuple[str, float]]:
    """Returns each score and the quality oracle, with their places from lowest AP to highest.

    Places are in percent. The list is empty without a quality oracle or if all APs are equal.
    """
    rankings = detector.evaluation.rankings
    known = {
        name: ranking.ap["AP"]
        for name, ranking in rankings.items()
        if ranking.ap["AP"] is not None and (name == QUALITY_ORACLE or name not in REFERENCES)
    }
    if QUALITY_ORACLE not in known:
        return []
    low, high = min(known.values()), max(known.values())
    if high - low < 1e-9:
        return []
    return [(name, 100 * (ap - low) / (high - low)) for name, ap in known.items()]
