"""Defines the name, meaning, colour, line and marker of each score in a report."""

from dataclasses import dataclass
from typing import Any

from msrcnn_mm.evaluation.protocol import (
    AGREEMENT_SCORE,
    CLASS_SCORE,
    CONSENSUS,
    MASK_SCORE,
    MASKNESS,
    ORACLE,
    QUALITY_ORACLE,
    RESCORED_SCORE,
    TP_SHARE,
)


@dataclass(frozen=True)
class ScoreStyle:
    """The presentation of one score.

    Attributes:
        name: Its name in texts and figures.
        meaning: Its explanation in the page's glossary.
        colour: Its colour in figures; page.css holds the same and one for dark screens.
        line: Its line style in figures.
        marker: Its marker in figures.
    """

    name: str
    meaning: str
    colour: str
    line: Any
    marker: str


# The colours are of Okabe and Ito's palette, which colour-blind readers can tell apart.
STYLES = {
    CLASS_SCORE: ScoreStyle(
        "class score",
        "the detector's confidence in the class; it does not depend on the mask",
        "#0072b2",
        "--",
        "o",
    ),
    MASK_SCORE: ScoreStyle(
        "mask score",
        "class score x mask IoU, the IoU that the scorer predicts for the mask",
        "#d55e00",
        "-",
        "D",
    ),
    MASKNESS: ScoreStyle(
        "maskness",
        "class score x mean foreground probability of the mask; needs no scorer",
        "#009e73",
        "-.",
        "^",
    ),
    AGREEMENT_SCORE: ScoreStyle(
        "agreement score",
        "maskness x agreement, the mean IoU with the mask that fits best in other views of the"
        " image; needs no scorer",
        "#56b4e9",
        (0, (3, 1, 1, 1)),
        "<",
    ),
    CONSENSUS: ScoreStyle(
        "consensus",
        "geometric mean of the class score and the best IoU x class score in other views, times"
        " the mean foreground probability; needs no scorer",
        "#cc79a7",
        (0, (5, 1, 1, 1, 1, 1)),
        "v",
    ),
    RESCORED_SCORE: ScoreStyle(
        "rescored score",
        "what a re-scorer, fitted on other images, expects of the mask: its TP share or its IoU",
        "#8a4f00",
        (0, (6, 1)),
        "X",
    ),
    QUALITY_ORACLE: ScoreStyle(
        "quality oracle",
        "class score x true IoU, with the mean true IoU of the others for masks of no object;"
        " the AP that mask scoring can reach with these masks",
        "#6e7781",
        ":",
        "s",
    ),
    ORACLE: ScoreStyle(
        "oracle",
        "class score x true IoU, which is 0 for a mask of no object; knows false alarms, too",
        "#a68a00",
        (0, (1, 2)),
        "P",
    ),
    TP_SHARE: ScoreStyle(
        "TP share",
        "share of the IoU thresholds at which the mask is matched; the highest AP of any ranking",
        "#8250a8",
        (0, (3, 2)),
        "*",
    ),
}
"""Ranking -> its style, in the order of the report."""

NAMES = {score: style.name for score, style in STYLES.items()}
