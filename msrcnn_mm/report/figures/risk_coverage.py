"""Draws the mean true IoU of the masks that are kept, against the share that is kept."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from msrcnn_mm.coco.detections import Column

from ..evaluated_detector import EvaluatedDetector
from .style import MUTED, PANEL, draw_line, make_panel

PERFECT = "perfect order"
_MAX_POINTS = 400  # more are indistinguishable in a figure


@dataclass(frozen=True)
class RiskCoverage:
    """A curve of P points, from the fewest masks kept to all.

    Attributes:
        coverage: (P,), share of the masks that are kept, best score first.
        mean_iou: (P,), mean true IoU of the masks that are kept.
    """

    coverage: Column
    mean_iou: Column


def risk_coverage(scores: Column, true_ious: Column) -> RiskCoverage:
    """Computes the curve of keeping masks best score first.

    Masks of equal score are kept or dropped together, because a threshold cannot separate them.

    Args:
        scores: (D,); a mask without a score (NaN) is left out.
        true_ious: (D,), in [0, 1]; a mask that does not count (NaN) is left out.

    Returns:
        At most 400 points, the last of which keeps all masks; no point without a mask.
    """
    counts = ~(np.isnan(scores) | np.isnan(true_ious))
    scores, true_ious = scores[counts], true_ious[counts]
    order = np.argsort(-scores, kind="stable")
    kept = np.arange(1, len(order) + 1)
    mean_iou = np.cumsum(true_ious[order]) / kept
    ends = np.flatnonzero(np.diff(scores[order], append=-np.inf))
    if len(ends) > _MAX_POINTS:
        ends = ends[np.linspace(0, len(ends) - 1, _MAX_POINTS).round().astype(int)]
    return RiskCoverage(coverage=kept[ends] / max(1, len(order)), mean_iou=mean_iou[ends])


def risk_curves(detector: EvaluatedDetector) -> dict[str, RiskCoverage]:
    """Computes the curve of each score and, as :data:`PERFECT`, that of the true IoU.

    The curves have no points without ground truth.
    """
    ious = detector.true_ious
    if not detector.evaluation.instances:
        ious = np.full_like(ious, np.nan)
    curves = {score: risk_coverage(detector.column(score), ious) for score in detector.scores}
    return curves | {PERFECT: risk_coverage(ious, ious)}


def draw_risk(curves: dict[str, RiskCoverage], low: float) -> Figure | None:
    """Draws the curves; None without a mask.

    Args:
        curves: From :func:`risk_curves`.
        low: The least IoU of the axis, from :func:`lowest_iou`.
    """
    if not len(curves[PERFECT].coverage):
        return None
    figure, axes = make_panel(PANEL[0] * 1.2, PANEL[1] * 1.15)
    for name, curve in curves.items():
        x, y = curve.coverage, curve.mean_iou
        if name == PERFECT:
            axes.plot(x, y, ":", color=MUTED, linewidth=1.8, label=PERFECT)
        else:
            draw_line(axes, name, x, y)
    axes.set(xlim=(0, 1), ylim=(low, 1), xlabel="share of the masks kept, best score first")
    axes.set_ylabel("mean true IoU of those kept")
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2 if len(curves) > 3 else 3)
    return figure


def lowest_iou(all_curves: Sequence[dict[str, RiskCoverage]]) -> float:
    """Returns the start of an IoU axis that holds the curves of all detectors."""
    lowest = [c.mean_iou.min() for curves in all_curves for c in curves.values() if len(c.mean_iou)]
    return max(0.0, math.floor(10 * min(lowest, default=0.0)) / 10 - 0.05)
