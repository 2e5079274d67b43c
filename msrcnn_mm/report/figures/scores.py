"""Figures of scores against the truth, and of what a cut keeps."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, LogNorm, to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from msrcnn_mm.evaluation.score_columns import in_unit_interval
from msrcnn_mm.evaluation.score_evaluation import CalibrationErrors

from ..evaluated_detector import ReportModel
from ..wording import NAMES
from .risk_coverage import RiskCoverage, risk_coverage
from .style import COLOURS, INK, LINES, MUTED, PANEL, RULE, panel

_HEXAGONS = 24  # across
_FAINTEST = 0.16  # opacity of a hexagon with one mask
_FEW = 12  # thresholds that fit on a line
PERFECT = "perfect order"


def score_against_iou(model: ReportModel, score: str) -> Figure | None:
    """How many masks have which score and which true IoU; None without masks or ground truth."""
    scores, ious = model.column(score), model.evaluation.detections.true_ious
    counts = ~(np.isnan(scores) | np.isnan(ious))
    scores, ious = scores[counts], ious[counts]
    if not len(scores) or not model.evaluation.instances:
        return None
    figure, axes = panel(PANEL[0], PANEL[0])
    low, high = (0.0, 1.0) if in_unit_interval(scores) else (scores.min(), scores.max())
    if low == high:
        low, high = low - 0.5, high + 0.5
    hexagons = axes.hexbin(
        scores,
        ious,
        gridsize=(_HEXAGONS, round(_HEXAGONS / np.sqrt(3))),
        extent=(low, high, 0, 1),
        mincnt=1,
        linewidths=0,
        zorder=2,
    )
    most = int(np.max(np.asarray(hexagons.get_array())))
    full = to_rgb(COLOURS[score])
    shades = LinearSegmentedColormap.from_list("", [(*full, _FAINTEST), (*full, 1.0)])
    norm = LogNorm(1, max(most, 2))
    hexagons.set(cmap=shades, norm=norm)
    if (low, high) == (0.0, 1.0):
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1.2, linestyle=(0, (4, 3)), zorder=3)
    margin = 0.025 * (high - low)
    axes.set(xlim=(low - margin, high + margin), ylim=(-0.03, 1.03))
    axes.set_box_aspect(1)
    axes.set_xlabel(NAMES[score])
    axes.set_ylabel("true IoU of the mask")
    for number in _few(most):
        shade = shades(float(norm(number)))
        axes.plot([], [], "h", color=shade, markersize=10, markeredgewidth=0, label=f"{number:,}")
    axes.legend(
        title="masks a hexagon",
        loc="lower center",
        bbox_to_anchor=(0.5, 1),
        ncols=4,
        handletextpad=0.2,
    )
    return figure


def reliability(calibration: CalibrationErrors, score: str) -> Figure | None:
    """Mean IoU of the masks in each bin of the score; None without a mask."""
    bins = [b for b in calibration.bins if b.count]
    if not bins:
        return None
    figure, _ = panel(PANEL[0], PANEL[0] * 1.08)
    figure.clear()
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(4.2, 1))
    colour = COLOURS[score]
    said = np.array([b.mean_score for b in bins], float)
    true = np.array([b.mean_iou for b in bins], float)
    middles = np.array([(b.low + b.high) / 2 for b in bins])
    width = 0.86 * (bins[0].high - bins[0].low)
    upper.bar(middles, true, width, color=colour, alpha=0.85, label="mean IoU")
    upper.vlines(middles, true, said, color=INK, linewidth=1.4, label="error")
    upper.plot([0, 1], [0, 1], color=MUTED, linewidth=1.2, linestyle=(0, (4, 3)), label="honest")
    upper.set(ylim=(0, 1.0), ylabel="mean IoU with what it finds")
    upper.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3)
    lower.bar(middles, [b.count for b in bins], width, color=RULE)
    lower.bar(middles, [b.count for b in bins], width, color=MUTED, alpha=0.55)
    lower.set(xlim=(0, 1), xlabel=NAMES[score], ylabel="masks")
    lower.locator_params(axis="y", nbins=3)
    return figure


def risk_curves(model: ReportModel) -> dict[str, RiskCoverage]:
    """Score -> what keeping the best by it gives; and what the perfect order would.

    The curves are empty without ground truth.
    """
    ious = model.evaluation.detections.true_ious
    if not model.evaluation.instances:
        ious = np.full_like(ious, np.nan)  # nothing to compare with
    curves = {score: risk_coverage(model.column(score), ious) for score in model.scores}
    return curves | {PERFECT: risk_coverage(ious, ious)}


def risk(curves: dict[str, RiskCoverage], low: float) -> Figure | None:
    """Mean true IoU of the masks kept, against how many are kept; None without a mask.

    Args:
        curves: From :func:`risk_curves`.
        low: The least IoU of the axis, so that models can be laid side by side.
    """
    if not len(curves[PERFECT].coverage):
        return None
    figure, axes = panel(PANEL[0] * 1.2, PANEL[1] * 1.15)
    for name, curve in curves.items():
        _draw_curve(axes, name, curve)
    axes.set(xlim=(0, 1), ylim=(low, 1), xlabel="share of the masks kept, best score first")
    axes.set_ylabel("mean true IoU of those kept")
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2 if len(curves) > 3 else 3)
    return figure


def lowest_iou(all_curves: Sequence[dict[str, RiskCoverage]]) -> float:
    """Where the axis of the curves of all models begins."""
    lowest = [c.mean_iou.min() for curves in all_curves for c in curves.values() if len(c.mean_iou)]
    return max(0.0, np.floor(10 * min(lowest, default=0.0)) / 10 - 0.05)


def cuts(model: ReportModel) -> Figure | None:
    """The best threshold of each class, by score; None where no two classes have one."""
    if all(len(model.thresholds(score)) < 2 for score in model.scores):
        return None
    figure, axes = panel(PANEL[0] * 1.2, 0.9 + 0.6 * len(model.scores))
    for row, score in enumerate(model.scores):
        values = model.thresholds(score)
        # many dots are set apart by golden steps, so that equal ones do not hide one another
        apart = 0.44 * (np.arange(len(values)) * 0.618 % 1 - 0.5) * (len(values) > _FEW)
        axes.plot(
            values,
            row + apart,
            "o",
            color=COLOURS[score],
            markersize=7,
            alpha=0.7,
            markeredgewidth=0,
        )
        if len(values) > 1:
            axes.vlines(
                model.threshold(score) or 0.0, row - 0.32, row + 0.32, color=INK, linewidth=2
            )
    axes.set_yticks(range(len(model.scores)), [NAMES[s] for s in model.scores], color=INK)
    axes.set_ylim(len(model.scores) - 0.5, -0.5)
    axes.grid(False, axis="y")
    if all(0 <= v <= 1 for score in model.scores for v in model.thresholds(score)):
        axes.set_xlim(0, 1)
    axes.set_xlabel("best threshold of a class")
    return figure


def _draw_curve(axes: Axes, name: str, curve: RiskCoverage) -> None:
    if name == PERFECT:
        axes.plot(curve.coverage, curve.mean_iou, ":", color=MUTED, linewidth=1.8, label=PERFECT)
        return
    axes.plot(
        curve.coverage,
        curve.mean_iou,
        linestyle=LINES[name],
        color=COLOURS[name],
        label=NAMES[name],
    )


def _few(most: int) -> list[int]:
    """Up to four counts that show the shades: 1, powers of ten, the most."""
    tens = [10**k for k in range(1, 9) if 10**k < 0.6 * most]
    return sorted({1, *tens[-2:], most})
