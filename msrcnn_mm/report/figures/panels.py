"""Which figures a report has: of each model, in an order that lays models side by side."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from markupsafe import Markup
from matplotlib.figure import Figure

from ..evaluated_detector import ReportModel
from ..wording import NAMES
from . import ap as ap_figures
from . import scores as score_figures
from .style import as_png, as_svg, styled

GROUPS = ("gap", "score_iou", "reliability", "risk", "cuts", "ap", "gain")
_REM_AN_INCH = 6.7


@dataclass(frozen=True)
class Panel:
    """A figure of one model.

    Attributes:
        key: Name of its PNG, without the ending.
        model: Position of the model.
        score: The score that it is about; None if it is about all.
        width: The most that it should take of the page, in rem; letters are then of one size.
        svg: For the page.
        png: The same as a file's content.
    """

    key: str
    model: int
    score: str | None
    width: float
    svg: Markup
    png: bytes


@dataclass(frozen=True)
class _Drawing:
    """A figure to be: its group, the score it is about, what it shows in words, and how."""

    group: str
    score: str | None
    label: str
    draw: Callable[[], Figure | None]


def panels(models: Sequence[ReportModel]) -> dict[str, list[Panel]]:
    """Draws all figures of all models, on the same axes.

    Returns:
        Group -> its panels, by model; no group where there is nothing to draw.
    """
    shown: dict[str, list[Panel]] = {}
    with styled():
        for index, drawings in enumerate(_drawings(models)):
            for drawing in drawings:
                figure = drawing.draw()
                if figure is None:
                    continue
                parts = [drawing.group, drawing.score, str(index + 1) if len(models) > 1 else None]
                key = "_".join(part for part in parts if part)
                svg = as_svg(figure, key, drawing.label)
                width = round(_REM_AN_INCH * figure.get_figwidth(), 1)
                panel = Panel(key, index, drawing.score, width, svg, as_png(figure))
                shown.setdefault(drawing.group, []).append(panel)
    return shown


def _drawings(models: Sequence[ReportModel]) -> Iterator[list[_Drawing]]:
    """All figures of each model."""
    evaluations = [model.evaluation for model in models]
    curves = [score_figures.risk_curves(model) for model in models]
    lowest = score_figures.lowest_iou(curves)
    top, gains = ap_figures.ap_limit(evaluations), ap_figures.gain_limits(evaluations)
    ends = ap_figures.gap_ends(evaluations)
    for model, own in zip(models, curves, strict=True):
        e = model.evaluation
        above = "Points of AP above the class score"
        yield [
            _Drawing("gap", None, above, partial(ap_figures.gap, e, ends)),
            _Drawing("ap", None, "AP over IoU", partial(ap_figures.ap_by_iou, e, top)),
            _Drawing(
                "gain", None, f"{above}, over IoU", partial(ap_figures.gain_by_iou, e, *gains)
            ),
            _Drawing(
                "risk", None, "Mean IoU of the masks kept", partial(score_figures.risk, own, lowest)
            ),
            _Drawing("cuts", None, "Best thresholds", partial(score_figures.cuts, model)),
            *(
                _Drawing(
                    "score_iou",
                    score,
                    f"{NAMES[score]} against true IoU",
                    partial(score_figures.score_against_iou, model, score),
                )
                for score in model.scores
            ),
            *(
                _Drawing(
                    "reliability",
                    score,
                    f"Reliability of the {NAMES[score]}",
                    partial(score_figures.reliability, e.calibration_errors[score], score),
                )
                for score in model.scores
                if score in e.calibration_errors
            ),
        ]
