"""The three answers that a reader wants first, in plain words.

The rules by which a figure becomes a word are here alone; docs/scores.md tells them.
"""

from dataclasses import dataclass

import numpy as np

from msrcnn_mm.evaluation.protocol import (
    CALIBRATED_SCORE,
    CLASS_SCORE,
    MASK_SCORE,
    MASKNESS,
    ORACLE,
)
from msrcnn_mm.evaluation.score_evaluation import CalibrationErrors

from .evaluated_detector import ReportModel
from .wording import NAMES, gain, percent, score, share

CLOSE = 0.05  # LaECE_0 up to which a score can be taken as it stands
ROUGH = 0.15  # and up to which it says roughly what the mask is worth
SMALL_GAP = 0.005  # of AP; a gap below is lost in the noise of a training
NO_CHANGE = 0.002  # of AP; likewise for a gain or a loss


@dataclass(frozen=True)
class Answer:
    """An answer.

    Attributes:
        question: What was asked.
        headline: The answer in one figure or word.
        unit: What the figure is of; may be empty.
        text: The answer in one or two sentences.
    """

    question: str
    headline: str
    unit: str
    text: str


def answers(model: ReportModel) -> list[Answer]:
    """Can the scores be trusted, does the mask score help, where to cut."""
    return [_trust(model), _help(model), _cut(model)]


def _trust(model: ReportModel) -> Answer:
    question = "Can the scores be trusted?"
    name = model.better_score or CLASS_SCORE
    calibration = model.evaluation.calibration_errors.get(name)
    if calibration is None:
        return Answer(
            question, "No", "", f"The {NAMES[name]} leaves [0, 1]: it can rank masks, and no more."
        )
    if calibration.laece is None:
        return Answer(question, "Unknown", "", "There is nothing to compare the scores with.")
    if not any(model.thresholds(s) for s in model.scores):
        text = "No mask finds an instance at IoU 0.5: scores near 0 are honest, and of no use."
        return Answer(question, "Nothing to trust", "", text)
    off = calibration.laece
    word = "Yes" if off <= CLOSE else "Roughly" if off <= ROUGH else "Not as numbers"
    text = (
        f"The {NAMES[name]} is off by {percent(off)} points on average"
        f"{_direction(calibration)} (LaECE\N{SUBSCRIPT ZERO})."
    )
    for other in (CLASS_SCORE, CALIBRATED_SCORE):
        errors = model.evaluation.calibration_errors.get(other)
        if name != other and errors and errors.laece is not None:
            text += f" The {NAMES[other]} is off by {percent(errors.laece)}."
    if off > ROUGH:
        text += " It may still rank masks well."
    return Answer(question, word, "", text)


def _direction(calibration: CalibrationErrors) -> str:
    """Which way a score errs on the whole; nothing where it does not."""
    counts = [b.count for b in calibration.bins]
    errors = [(b.mean_score or 0.0) - (b.mean_iou or 0.0) for b in calibration.bins]
    bias = float(np.average(errors, weights=counts)) if sum(counts) else 0.0
    if abs(bias) < CLOSE / 5:
        return ""
    return ", on the whole too high" if bias > 0 else ", on the whole too low"


def _help(model: ReportModel) -> Answer:
    evaluation, name = model.evaluation, model.better_score
    gap = evaluation.oracle_gap["AP"]
    question = f"Does the {NAMES[name or 'mask_score']} help?"
    if evaluation.rankings[CLASS_SCORE].ap["AP"] is None:
        return Answer(question, "Unknown", "", "There is no ground truth, so no AP is defined.")
    room = "" if gap is None else f"a perfect one would gain {percent(gap)}"
    if name is None:
        text = "These results have none" + (f"; {room} points of AP." if room else ".")
        if gap is not None and gap < SMALL_GAP:
            text += " There is next to nothing to win."
        return Answer(question, "No mask score", "", text)
    own, by_class = evaluation.rankings[name].ap["AP"], evaluation.rankings[CLASS_SCORE].ap["AP"]
    assert own is not None and by_class is not None
    won = own - by_class
    text = f"Masks ranked by {NAMES[name]} reach AP {percent(own)}, by class score"
    text += f" {percent(by_class)}"
    text += f"; {room}." if room else "."
    recovered = evaluation.rankings[name].recovered_share["AP"]
    if won <= -NO_CHANGE:
        text += " It harms: rank by class score."
    elif gap is not None and gap < SMALL_GAP:
        text += " There is next to nothing to win."
    elif won < NO_CHANGE:
        text += " That is within noise: two trainings differ by as much."
    elif recovered is not None:
        text += f" It recovers {share(recovered)} of what there is to win."
    if name == MASK_SCORE and MASKNESS in evaluation.rankings:
        free = percent(evaluation.rankings[MASKNESS].ap["AP"])
        text += f" Maskness, which needs no scorer, reaches {free}."
    return Answer(question, gain(won), "AP", text)


def _cut(model: ReportModel) -> Answer:
    question = "Where to cut?"
    name = model.best_to_cut_on
    thresholds, middle = model.thresholds(name), model.threshold(name)
    if middle is None:
        return Answer(question, "Nowhere", "", "No mask finds an instance at IoU 0.5.")
    best = model.evaluation.lrp[name].optimal
    text = "There"
    if len(thresholds) > 1:
        text = (
            f"The median of {len(thresholds)} classes. Cut each class at its own best,"
            f" {score(thresholds[0])} to {score(thresholds[-1])}, and"
        )
    found = None if best.false_negative is None else 1 - best.false_negative
    right = None if best.false_positive is None else 1 - best.false_positive
    fit = None if best.localisation is None else 1 - best.localisation
    text += (
        f" {share(found)} of the instances are found, {share(right)} of the masks kept are right,"
        f" and those have a mean IoU of {score(fit)}."
    )
    return Answer(question, f"\N{GREATER-THAN OR EQUAL TO} {score(middle)}", NAMES[name], text)


def gap_marks(model: ReportModel) -> list[tuple[str, float]]:
    """Rankings and their places in percent on a track from the worst AP to the best.

    Empty where there is no way to go.
    """
    rankings = model.evaluation.rankings
    aps = {name: ranking.ap["AP"] for name, ranking in rankings.items()}
    known = {name: ap for name, ap in aps.items() if ap is not None}
    if ORACLE not in known:
        return []
    low, high = min(known.values()), max(known.values())
    if high - low < 1e-9:
        return []
    return [(name, 100 * (ap - low) / (high - low)) for name, ap in known.items()]
