"""Lists and draws the figures of a report."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from markupsafe import Markup
from matplotlib.figure import Figure

from msrcnn_mm.processes import in_processes

from ..evaluated_detector import EvaluatedDetector
from ..score_styles import NAMES
from . import ap, risk_coverage, scores
from .style import as_png, as_svg, report_style

GROUPS = ("gap", "score_iou", "reliability", "risk", "cuts", "ap", "gain")
Draw = Callable[[], Figure | None]

_REM_PER_INCH = 6.7
_WEIGHT = 50  # of a figure, in images that are worked on by several processes


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


def draw_panels(detectors: Sequence[EvaluatedDetector]) -> dict[str, list[Panel]]:
    """Draws all figures of all detectors, each group with the same axes.

    Returns:
        Group -> its panels by detector; a group without a figure is absent.
    """

    def rendered(item: tuple[int, str, str | None, str, Draw]) -> Panel | None:
        index, group, score, label, draw = item
        figure = draw()
        if figure is None:
            return None
        suffix = str(index + 1) if len(detectors) > 1 else None
        key = "_".join(part for part in (group, score, suffix) if part)
        svg = as_svg(figure, key, label)
        width = round(_REM_PER_INCH * figure.get_figwidth(), 1)
        return Panel(key, index, score, width, svg, as_png(figure))

    panels: dict[str, list[Panel]] = {}
    with report_style():
        items = list(_draw(detectors))
        found = in_processes(rendered, items, "figures", _WEIGHT)
        for panel, (_, group, *_) in zip(found, items, strict=True):
            if panel is not None:
                panels.setdefault(group, []).append(panel)
    return panels


def _draw(
    detectors: Sequence[EvaluatedDetector],
) -> Iterator[tuple[int, str, str | None, str, Draw]]:
    """Yields what draws each figure, with its detector's position, group, score and description."""
    evaluations = [detector.evaluation for detector in detectors]
    curves = [risk_coverage.risk_curves(detector) for detector in detectors]
    lowest = risk_coverage.lowest_iou(curves)
    top, gain_ends = ap.ap_limit(evaluations), ap.gain_limits(evaluations)
    gap_ends = ap.gap_limits(evaluations)
    above = "Points of AP above the class score"
    for i, (detector, own_curves) in enumerate(zip(detectors, curves, strict=True)):
        e = detector.evaluation
        yield i, "gap", None, above, partial(ap.draw_gap, e, gap_ends)
        yield i, "ap", None, "AP over IoU", partial(ap.draw_ap, e, top)
        yield i, "gain", None, f"{above}, over IoU", partial(ap.draw_gain, e, *gain_ends)
        risk = partial(risk_coverage.draw_risk, own_curves, lowest)
        yield i, "risk", None, "Mean IoU of the masks kept", risk
        yield i, "cuts", None, "Best thresholds", partial(scores.draw_thresholds, detector)
        for score in detector.scores:
            name = NAMES[score]
            against = partial(scores.draw_score_against_iou, detector, score)
            yield i, "score_iou", score, f"{name} against true IoU", against
            if score in e.calibration_errors:
                reliability = partial(scores.draw_reliability, e.calibration_errors[score], score)
                yield i, "reliability", score, f"Reliability of the {name}", reliability
