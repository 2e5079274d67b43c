"""Figures of AP: what there is to win, and how much of it is won."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MultipleLocator

from msrcnn_mm.evaluation.protocol import CLASS_SCORE, COLUMNS, ORACLE
from msrcnn_mm.evaluation.score_evaluation import Ranking, ScoreEvaluation

from ..wording import NAMES, share
from .style import COLOURS, INK, LINES, MARKERS, PANEL, RULE, panel

_BAR = 0.62


def gap(evaluation: ScoreEvaluation, ends: tuple[float, float]) -> Figure | None:
    """Points of AP above the class score, by column; None without an oracle.

    Args:
        evaluation: What to draw.
        ends: From :func:`gap_ends`.
    """
    rows = [c for c in COLUMNS if evaluation.oracle_gap[c] is not None]
    if not rows:
        return None
    figure, axes = panel(PANEL[0] * 1.2, 0.95 + 0.42 * len(rows))
    scores = [s for s in evaluation.rankings if s not in (CLASS_SCORE, ORACLE)]
    thick = _BAR / max(1, len(scores))
    for row, column in enumerate(rows):
        whole = _points(evaluation.rankings, ORACLE, column)
        axes.barh(row, whole, _BAR + 0.14, color=RULE, label=NAMES[ORACLE] if not row else None)
        for i, name in enumerate(scores):
            won = _points(evaluation.rankings, name, column)
            place = row + (i - (len(scores) - 1) / 2) * thick
            label = NAMES[name] if not row else None
            axes.barh(place, won, thick * 0.9, color=COLOURS[name], label=label)
        if scores:
            recovered = evaluation.rankings[scores[0]].recovered_share[column]
            axes.annotate(
                share(recovered),
                (max(whole, 0), row),
                xytext=(6, 0),
                textcoords="offset points",
                va="center",
                color=COLOURS[scores[0]],
            )
    axes.axvline(0, color=COLOURS[CLASS_SCORE], linewidth=1.5)
    axes.set_yticks(range(len(rows)), rows, color=INK)
    axes.invert_yaxis()
    axes.grid(False, axis="y")
    low, high = ends
    axes.set_xlim(low - 0.04 * (high - low), high + 0.16 * (high - low))
    axes.set_xlabel("points of AP above the class score")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=len(scores) + 1)
    return figure


def ap_by_iou(evaluation: ScoreEvaluation, top: float) -> Figure | None:
    """AP over IoU thresholds; None where no AP is defined.

    Args:
        evaluation: What to draw.
        top: The highest AP of the axis, so that models can be laid side by side.
    """
    if None in evaluation.rankings[CLASS_SCORE].ap_by_iou:
        return None
    figure, axes = panel(PANEL[0] * 1.2, PANEL[1] * 1.15)
    for name, ranking in evaluation.rankings.items():
        values = [100 * (ap or 0.0) for ap in ranking.ap_by_iou]
        _line(axes, name, evaluation.iou_thrs, values)
    axes.set_ylim(0, 100 * top)
    axes.set_ylabel("AP")
    _finish(axes)
    return figure


def gain_by_iou(evaluation: ScoreEvaluation, low: float, top: float) -> Figure | None:
    """The same as points above the class score, where the difference can be seen."""
    if None in evaluation.rankings[CLASS_SCORE].ap_by_iou or len(evaluation.rankings) < 2:
        return None
    figure, axes = panel(PANEL[0] * 1.2, PANEL[1] * 1.15)
    for name, values in gains_by_iou(evaluation).items():
        _line(axes, name, evaluation.iou_thrs, [100 * value for value in values])
    axes.set_ylim(100 * low, 100 * top)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _signed(value)))
    axes.set_ylabel("points of AP above the class score")
    _finish(axes)
    return figure


def gains_by_iou(evaluation: ScoreEvaluation) -> dict[str, list[float]]:
    """Ranking -> AP above the class score at each IoU threshold; nothing where AP is undefined."""
    by_class = evaluation.rankings[CLASS_SCORE].ap_by_iou
    return {
        name: [(a or 0.0) - (b or 0.0) for a, b in zip(ranking.ap_by_iou, by_class, strict=True)]
        for name, ranking in evaluation.rankings.items()
        if None not in by_class
    }


def gap_ends(evaluations: Sequence[ScoreEvaluation]) -> tuple[float, float]:
    """Least and most points of AP above the class score, of all models, rankings and columns."""
    points = [
        _points(e.rankings, name, column)
        for e in evaluations
        for name in e.rankings
        for column in COLUMNS
    ]
    return min([*points, 0.0]), max([*points, 0.1])


def ap_limit(evaluations: Sequence[ScoreEvaluation]) -> float:
    """The axis that holds every AP of all models."""
    aps = [ap or 0.0 for e in evaluations for r in e.rankings.values() for ap in r.ap_by_iou]
    return min(1.0, 1.08 * max([*aps, 0.01]))


def gain_limits(evaluations: Sequence[ScoreEvaluation]) -> tuple[float, float]:
    """The axis that holds every gain of all models."""
    gains = [g for e in evaluations for gains in gains_by_iou(e).values() for g in gains]
    low, high = min([*gains, 0.0]), max([*gains, 0.001])
    return low - 0.06 * (high - low), high + 0.08 * (high - low)


def _line(axes: Axes, name: str, x: Sequence[float], y: Sequence[float]) -> None:
    axes.plot(
        x,
        y,
        linestyle=LINES[name],
        color=COLOURS[name],
        marker=MARKERS[name],
        label=NAMES[name],
        clip_on=False,
    )


def _finish(axes: Axes) -> None:
    axes.set_xlabel("IoU from which a mask is right")
    axes.xaxis.set_major_locator(MultipleLocator(0.1))
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)


def _points(rankings: dict[str, Ranking], name: str, column: str) -> float:
    """Of AP, above the class score."""
    own, by_class = rankings[name].ap[column], rankings[CLASS_SCORE].ap[column]
    return 100 * ((own or 0.0) - (by_class or 0.0))


def _signed(value: float) -> str:
    return "0" if abs(value) < 1e-9 else f"{value:+g}".replace("-", "\N{MINUS SIGN}")
