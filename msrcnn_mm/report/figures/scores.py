"""Draws scores against true IoUs, their reliability, and their best thresholds."""

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, LogNorm, to_rgb
from matplotlib.figure import Figure

from msrcnn_mm.evaluation.rankings import in_unit_interval
from msrcnn_mm.evaluation.score_errors import CalibrationErrors

from ..evaluated_detector import EvaluatedDetector
from ..score_styles import STYLES
from .style import INK, MUTED, PANEL, RULE, make_panel

_HEXAGONS = 24  # across
_MIN_OPACITY = 0.16  # of a hexagon with one mask
_MAX_ON_A_LINE = 12  # thresholds
_DASHES = (0, (4, 3))


def draw_score_against_iou(detector: EvaluatedDetector, score: str) -> Figure | None:
    """Draws counts of masks by score and true IoU; None without masks or ground truth."""
    scores, ious = detector.column(score), detector.true_ious
    counts = ~(np.isnan(scores) | np.isnan(ious))
    scores, ious = scores[counts], ious[counts]
    if not len(scores) or not detector.evaluation.instances:
        return None
    figure, axes = make_panel(PANEL[0], PANEL[0])
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
    full = to_rgb(STYLES[score].colour)
    shades = LinearSegmentedColormap.from_list("", [(*full, _MIN_OPACITY), (*full, 1.0)])
    norm = LogNorm(1, max(most, 2))
    hexagons.set(cmap=shades, norm=norm)
    if (low, high) == (0.0, 1.0):
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1.2, linestyle=_DASHES, zorder=3)
    margin = 0.025 * (high - low)
    axes.set(xlim=(low - margin, high + margin), ylim=(-0.03, 1.03))
    axes.set_box_aspect(1)
    axes.set_xlabel(STYLES[score].name)
    axes.set_ylabel("true IoU of the mask")
    for number in _legend_counts(most):
        shade = shades(float(norm(number)))
        axes.plot([], [], "h", color=shade, markersize=10, markeredgewidth=0, label=f"{number:,}")
    axes.legend(
        title="masks per hexagon",
        loc="lower center",
        bbox_to_anchor=(0.5, 1),
        ncols=4,
        handletextpad=0.2,
    )
    return figure


def draw_reliability(calibration: CalibrationErrors, score: str) -> Figure | None:
    """Draws the mean IoU of the masks in each bin of a score; None without a mask."""
    bins = [b for b in calibration.bins if b.count]
    if not bins:
        return None
    figure, _ = make_panel(PANEL[0], PANEL[0] * 1.08)
    figure.clear()
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(4.2, 1))
    mean_scores = np.array([b.mean_score for b in bins], float)
    mean_ious = np.array([b.mean_iou for b in bins], float)
    counts = [b.count for b in bins]
    middles = np.array([(b.low + b.high) / 2 for b in bins])
    width = 0.86 * (bins[0].high - bins[0].low)
    upper.bar(middles, mean_ious, width, color=STYLES[score].colour, alpha=0.85, label="mean IoU")
    upper.vlines(middles, mean_ious, mean_scores, color=INK, linewidth=1.4, label="error")
    upper.plot([0, 1], [0, 1], color=MUTED, linewidth=1.2, linestyle=_DASHES, label="score = IoU")
    upper.set(ylim=(0, 1.0), ylabel="mean matched IoU")
    upper.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3)
    lower.bar(middles, counts, width, color=RULE)
    lower.bar(middles, counts, width, color=MUTED, alpha=0.55)
    lower.set(xlim=(0, 1), xlabel=STYLES[score].name, ylabel="masks")
    lower.locator_params(axis="y", nbins=3)
    return figure


def draw_thresholds(detector: EvaluatedDetector) -> Figure | None:
    """Draws the best threshold of each class by score; None if no score has two of them."""
    thresholds = {score: detector.thresholds(score) for score in detector.scores}
    if all(len(values) < 2 for values in thresholds.values()):
        return None
    figure, axes = make_panel(PANEL[0] * 1.2, 0.9 + 0.6 * len(thresholds))
    for row, (score, values) in enumerate(thresholds.items()):
        # Many dots are spread over the row in golden-ratio steps, so that equal ones stay visible.
        offsets = 0.44 * (np.arange(len(values)) * 0.618 % 1 - 0.5)
        axes.plot(
            values,
            row + offsets * (len(values) > _MAX_ON_A_LINE),
            "o",
            color=STYLES[score].colour,
            markersize=7,
            alpha=0.7,
            markeredgewidth=0,
        )
        if len(values) > 1:
            middle = detector.threshold(score) or 0.0
            axes.vlines(middle, row - 0.32, row + 0.32, color=INK, linewidth=2)
    axes.set_yticks(range(len(thresholds)), [STYLES[s].name for s in thresholds], color=INK)
    axes.set_ylim(len(thresholds) - 0.5, -0.5)
    axes.grid(False, axis="y")
    if all(0 <= value <= 1 for values in thresholds.values() for value in values):
        axes.set_xlim(0, 1)
    axes.set_xlabel("best threshold of a class")
    return figure


def _legend_counts(most: int) -> list[int]:
    """Returns up to four counts for the legend: 1, powers of ten, the most."""
    tens = [10**k for k in range(1, 9) if 10**k < 0.6 * most]
    return sorted({1, *tens[-2:], most})
