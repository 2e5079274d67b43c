"""Lists and draws the figures of a report."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from markupsafe import Markup
from matplotlib.figure import Figure

from ..evaluated_detector import EvaluatedDetector
from ..score_styles import NAMES
from . import ap, risk_coverage, scores
from .style import as_png, as_svg, report_style

GROUPS = ("gap", "score_iou", "reliability", "risk", "cuts", "ap", "gain")
_REM_PER_INCH = 6.7


@dataclass(frozen=True)
class Panel:
    """A figure of one detector.

    Attributes:
        key: Name of its PNG file, without the suffix.
        detector: Position of the detector.
        score: The score that it shows; None if it shows all.
        width: Greatest width on the page, in rem, at which all panels have letters of one size.
        svg: The figure for the page.
        png: The same as a file's content.
    """

    key: str
    detector: int
    score: str | None
    width: float
    svg: Markup
    png: bytes


@dataclass(frozen=True)
class _Drawing:
    """A figure that is not drawn yet: its group, score, description and function."""

    group: str
    score: str | None
    label: str
    draw: Callable[[], Figure | None]


def draw_panels(detectors: Sequence[EvaluatedDetector]) -> dict[str, list[Panel]]:
    """Draws all figures of all detectors, each group with the same axes.

    Returns:
        Group -> its panels by detector; a group without a figure is absent.
    """
    panels: dict[str, list[Panel]] = {}
    with report_style():
        for index, drawings in enumerate(_drawings(detectors)):
            for drawing in drawings:
                figure = drawing.draw()
                if figure is None:
                    continue
                suffix = str(index + 1) if len(detectors) > 1 else None
                key = "_".join(part for part in (drawing.group, drawing.score, suffix) if part)
                svg = as_svg(figure, key, drawing.label)
                width = round(_REM_PER_INCH * figure.get_figwidth(), 1)
                panel = Panel(key, index, drawing.score, width, svg, as_png(figure))
                panels.setdefault(drawing.group, []).append(panel)
    return panels


def _drawings(detectors: Sequence[EvaluatedDetector]) -> Iterator[list[_Drawing]]:
    """Yields the figures of each detector."""
    evaluations = [detector.evaluation for detector in detectors]
    curves = [risk_coverage.risk_curves(detector) for detector in detectors]
    lowest = risk_coverage.lowest_iou(curves)
    top, gain_ends = ap.ap_limit(evaluations), ap.gain_limits(evaluations)
    gap_ends = ap.gap_limits(evaluations)
    above = "Points of AP above the class score"
    for detector, own_curves in zip(detectors, curves, strict=True):
        e = detector.evaluation
        drawings = [
            _Drawing("gap", None, above, partial(ap.draw_gap, e, gap_ends)),
            _Drawing("ap", None, "AP over IoU", partial(ap.draw_ap, e, top)),
            _Drawing("gain", None, f"{above}, over IoU", partial(ap.draw_gain, e, *gain_ends)),
            _Drawing(
                "risk",
                None,
                "Mean IoU of the masks kept",
                partial(risk_coverage.draw_risk, own_curves, lowest),
            ),
            _Drawing("cuts", None, "Best thresholds", partial(scores.draw_thresholds, detector)),
        ]
        for score in detector.scores:
            label = f"{NAMES[score]} against true IoU"
            draw = partial(scores.draw_score_against_iou, detector, score)
            drawings.append(_Drawing("score_iou", score, label, draw))
            if score in e.calibration_errors:
                label = f"Reliability of the {NAMES[score]}"
                draw = partial(scores.draw_reliability, e.calibration_errors[score], score)
                drawings.append(_Drawing("reliability", score, label, draw))
        yield drawings
