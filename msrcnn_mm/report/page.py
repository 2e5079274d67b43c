"""Renders the report as one self-contained HTML page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from msrcnn_mm.evaluation.protocol import (
    CLASS_SCORE,
    COLUMNS,
    MASK_SCORE,
    MATCHED_IOU,
    QUALITY_ORACLE,
    REFERENCES,
)

from .comparison import compare, in_words
from .evaluated_detector import EvaluatedDetector
from .figures.panels import GROUPS, Panel
from .pictures.gallery import GalleryImage
from .score_styles import STYLES
from .summary import gap_marks, summarize
from .templates import asset, get_template

_MAX_COLUMNS = 3


@dataclass(frozen=True)
class Report:
    """The content of a report.

    Attributes:
        title: The page's title.
        annotations: Name of the annotation file.
        detectors: One detector, or several with the same annotations.
        galleries: A gallery for each detector; None if no images were given.
        score_thr: Least class score of a mask in the galleries.
    """

    title: str
    annotations: str
    detectors: Sequence[EvaluatedDetector]
    galleries: Sequence[Sequence[GalleryImage]] | None = None
    score_thr: float = 0.3


def render_page(report: Report, panels: Mapping[str, Sequence[Panel]]) -> str:
    """Renders the report as HTML.

    Args:
        report: The content.
        panels: Its figures, from :func:`.panels.draw_panels`.
    """
    detectors = report.detectors
    return get_template("page.html").render(
        title=report.title,
        annotations=report.annotations,
        detectors=[_template_values(detector) for detector in detectors],
        panels={group: _arrange(panels.get(group, []), len(detectors)) for group in GROUPS},
        galleries=report.galleries,
        score_thr=report.score_thr,
        columns=COLUMNS,
        styles=STYLES,
        class_score=CLASS_SCORE,
        mask_score=MASK_SCORE,
        quality_oracle=QUALITY_ORACLE,
        references=REFERENCES,
        comparisons=[in_words(comparison) for comparison in compare(detectors)],
        matched_iou=MATCHED_IOU,
        rankings=[s for s in STYLES if any(s in d.evaluation.rankings for d in detectors)],
        all_have_mask_scores=all(MASK_SCORE in d.scores for d in detectors),
        notes=list(dict.fromkeys(_notes(detectors))),
        style=asset("page.css"),
        script=asset("sort.js"),
    )


def _arrange(panels: Sequence[Panel], detectors: int) -> dict[str, Any]:
    """Returns the number of ``columns`` and the ``cells`` of a group of panels, row by row.

    Scores are side by side for one detector. For several, detectors are side by side and each score
    has a row, in which None stands for a figure that a detector lacks.
    """
    if detectors == 1:
        return {"columns": max(2, len(panels)), "cells": panels}
    places = {(panel.score, panel.detector): panel for panel in panels}
    scores = dict.fromkeys(panel.score for panel in panels)
    cells = [places.get((score, detector)) for score in scores for detector in range(detectors)]
    return {"columns": detectors if detectors <= _MAX_COLUMNS else 2, "cells": cells}


def _template_values(detector: EvaluatedDetector) -> dict[str, Any]:
    """Returns the template's values of a detector."""
    return {
        "name": detector.name,
        "evaluation": detector.evaluation,
        "masks": len(detector.detections),
        "answers": summarize(detector),
        "marks": gap_marks(detector),
        "scores": detector.scores,
        "quality_score": detector.quality_score,
        "threshold_score": detector.threshold_score,
        "thresholds": {score: detector.threshold(score) for score in detector.scores},
    }


def _notes(detectors: Sequence[EvaluatedDetector]) -> list[str]:
    """Returns the notes of the evaluations, with the detector's name if there are several."""
    named = len(detectors) > 1
    return [f"{d.name}: {n}" if named else n for d in detectors for n in d.evaluation.notes]
