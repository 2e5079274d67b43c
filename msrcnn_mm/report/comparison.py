"""Compares detectors on the same images: which ranks its masks to the higher AP."""

from collections.abc import Sequence
from dataclasses import dataclass

from msrcnn_mm.evaluation.evaluation_result import Estimate
from msrcnn_mm.evaluation.intervals import ap_difference
from msrcnn_mm.evaluation.protocol import CLASS_SCORE

from .evaluated_detector import EvaluatedDetector
from .number_format import interval, percent
from .score_styles import NAMES


@dataclass(frozen=True)
class Comparison:
    """A detector beside the first one, each ranked by the score that includes mask quality.

    Attributes:
        detector: Name of the detector.
        score: The score that ranks its masks; the class score if it has no other.
        ap: Its AP.
        first: Name of the first detector.
        first_score: The score that ranks the first one's masks.
        first_ap: The first one's AP.
        difference: AP of the detector minus AP of the first.
    """

    detector: str
    score: str
    ap: float
    first: str
    first_score: str
    first_ap: float
    difference: Estimate


def compare(detectors: Sequence[EvaluatedDetector]) -> list[Comparison]:
    """Returns each detector beside the first; none without ground truth."""
    first, *others = detectors
    first_score = first.quality_score or CLASS_SCORE
    comparisons = []
    for other in others:
        score = other.quality_score or CLASS_SCORE
        difference = ap_difference(other.evaluation, score, first.evaluation, first_score)
        ap = other.evaluation.rankings[score].ap["AP"]
        first_ap = first.evaluation.rankings[first_score].ap["AP"]
        if difference is not None and ap is not None and first_ap is not None:
            comparisons.append(
                Comparison(other.name, score, ap, first.name, first_score, first_ap, difference)
            )
    return comparisons


def in_words(comparison: Comparison) -> str:
    """Returns the comparison in two sentences."""
    c, difference = comparison, comparison.difference
    verdict = "Which ranks better cannot be told from these images."
    if difference.low is not None and difference.low > 0:
        verdict = f"{c.detector} ranks better."
    elif difference.high is not None and difference.high < 0:
        verdict = f"{c.first} ranks better."
    between = "" if difference.low is None else ", with the 95% interval in brackets"
    return (
        f"{c.detector} reaches AP {percent(c.ap)} by {NAMES[c.score]}, {c.first}"
        f" {percent(c.first_ap)} by {NAMES[c.first_score]}: a difference of"
        f" {interval(difference)}{between}. {verdict}"
    )
