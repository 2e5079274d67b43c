"""Draws AP by score: the quality gap with the gains, and AP over IoU thresholds."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MultipleLocator

from msrcnn_mm.evaluation.evaluation_result import Ranking, ScoreEvaluation
from msrcnn_mm.evaluation.protocol import CLASS_SCORE, COLUMNS, QUALITY_ORACLE, REFERENCES

from ..number_format import share
from ..score_styles import STYLES
from .style import INK, PANEL, RULE, draw_line, make_panel

_BAR = 0.62


def draw_gap(evaluation: ScoreEvaluation, limits: tuple[float, float]) -> Figure | None:
    """Draws points of AP above the class score by column; None without a quality oracle.

    Args:
        evaluation: The evaluation to draw.
        limits: Ends of the axis, from :func:`gap_limits`.
    """
    rows = [c for c in COLUMNS if evaluation.quality_gap[c] is not None]
    if not rows:
        return None
    figure, axes = make_panel(PANEL[0] * 1.2, 0.95 + 0.42 * len(rows))
    scores = [s for s in evaluation.rankings if s not in (CLASS_SCORE, *REFERENCES)]
    thick = _BAR / max(1, len(scores))
    for row, column in enumerate(rows):
        gap = _points(evaluation.rankings, QUALITY_ORACLE, column)
        label = STYLES[QUALITY_ORACLE].name if not row else None
        axes.barh(row, gap, _BAR + 0.14, color=RULE, label=label)
        for i, name in enumerate(scores):
            won = _points(evaluation.rankings, name, column)
            place = row + (i - (len(scores) - 1) / 2) * thick
            label = STYLES[name].name if not row else None
            axes.barh(place, won, thick * 0.9, color=STYLES[name].colour, label=label)
        if scores:
            recovered = evaluation.rankings[scores[0]].recovered_share[column]
            axes.annotate(
                share(recovered),
                (max(gap, 0), row),
                xytext=(6, 0),
                textcoords="offset points",
                va="center",
                color=STYLES[scores[0]].colour,
            )
    axes.axvline(0, color=STYLES[CLASS_SCORE].colour, linewidth=1.5)
    axes.set_yticks(range(len(rows)), rows, color=INK)
    axes.invert_yaxis()
    axes.grid(False, axis="y")
    low, high = limits
    axes.set_xlim(low - 0.04 * (high - low), high + 0.16 * (high - low))
    axes.set_xlabel("points of AP above the class score")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3 if len(scores) < 3 else 2)
    return figure


def draw_ap(evaluation: ScoreEvaluation, top: float) -> Figure | None:
    """Draws AP over IoU thresholds; None if AP is undefined.

    Args:
        evaluation: The evaluation to draw.
        top: The highest AP of the axis, from :func:`ap_limit`.
    """
    if None in evaluation.rankings[CLASS_SCORE].ap_by_iou:
        return None
    lines = {n: [ap or 0.0 for ap in r.ap_by_iou] for n, r in evaluation.rankings.items()}
    return _draw_over_iou(evaluation.iou_thrs, lines, (0, top), "AP")[0]


def draw_gain(evaluation: ScoreEvaluation, low: float, top: float) -> Figure | None:
    """Draws points of AP above the class score over IoU thresholds; None if AP is undefined.

    Args:
        evaluation: The evaluation to draw.
        low: The lowest gain of the axis, in [-1, 1], from :func:`gain_limits`.
        top: The highest gain of the axis, likewise.
    """
    lines = _gains(evaluation)
    if len(lines) < 2:
        return None
    figure, axes = _draw_over_iou(
        evaluation.iou_thrs, lines, (low, top), "points of AP above the class score"
    )
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _signed(value)))
    return figure


def gap_limits(evaluations: Sequence[ScoreEvaluation]) -> tuple[float, float]:
    """Returns the least and the most points that :func:`draw_gap` shows of any evaluation."""
    points = [
        _points(e.rankings, name, column)
        for e in evaluations
        for name in e.rankings
        if name == QUALITY_ORACLE or name not in REFERENCES
        for column in COLUMNS
    ]
    return min([*points, 0.0]), max([*points, 0.1])


def ap_limit(evaluations: Sequence[ScoreEvaluation]) -> float:
    """Returns the end of an axis that holds every AP of all evaluations."""
    aps = [ap or 0.0 for e in evaluations for r in e.rankings.values() for ap in r.ap_by_iou]
    return min(1.0, 1.08 * max([*aps, 0.01]))


def gain_limits(evaluations: Sequence[ScoreEvaluation]) -> tuple[float, float]:
    """Returns the ends of an axis that holds every gain of all evaluations."""
    gains = [g for e in evaluations for gains in _gains(e).values() for g in gains]
    low, high = min([*gains, 0.0]), max([*gains, 0.001])
    return low - 0.06 * (high - low), high + 0.08 * (high - low)


def _gains(evaluation: ScoreEvaluation) -> dict[str, list[float]]:
    """Returns ranking -> AP above the class score at each IoU; empty if AP is undefined."""
    by_class = evaluation.rankings[CLASS_SCORE].ap_by_iou
    return {
        name: [(a or 0.0) - (b or 0.0) for a, b in zip(ranking.ap_by_iou, by_class, strict=True)]
        for name, ranking in evaluation.rankings.items()
        if None not in by_class
    }


def _draw_over_iou(
    ious: Sequence[float],
    lines: Mapping[str, Sequence[float]],
    limits: tuple[float, float],
    label: str,
) -> tuple[Figure, Axes]:
    """Draws a line for each ranking over IoU thresholds, in percent."""
    figure, axes = make_panel(PANEL[0] * 1.2, PANEL[1] * 1.15)
    for name, values in lines.items():
        marker = STYLES[name].marker
        draw_line(axes, name, ious, 100 * np.array(values), marker=marker, clip_on=False)
    axes.set_ylim(100 * limits[0], 100 * limits[1])
    axes.set_ylabel(label)
    axes.set_xlabel("IoU threshold of a right mask")
    axes.xaxis.set_major_locator(MultipleLocator(0.1))
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)
    return figure, axes


def _points(rankings: dict[str, Ranking], name: str, column: str) -> float:
    """Returns a ranking's points of AP above the class score."""
    own, by_class = rankings[name].ap[column], rankings[CLASS_SCORE].ap[column]
    return 100 * ((own or 0.0) - (by_class or 0.0))


def _signed(value: float) -> str:
    return "0" if abs(value) < 1e-9 else f"{value:+g}".replace("-", "\N{MINUS SIGN}")
