"""Draws how many masks may be accepted unseen, against the share of right ones that is promised."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from .style import PANEL, draw_line, make_panel


def draw_promises(
    shares: Sequence[float], accepted: Mapping[str, Sequence[float]], mean_iou: float
) -> Figure:
    """Draws a line for each score.

    Args:
        shares: P promised shares of right masks, ascending.
        accepted: Score -> (P,), share of all masks that are accepted.
        mean_iou: Least mean IoU that is promised with each.
    """
    figure, axes = make_panel(PANEL[0] * 1.2, PANEL[1] * 1.15)
    for score, values in accepted.items():
        draw_line(axes, score, shares, values)
    axes.set(xlim=(shares[0], shares[-1]), ylim=(0, None))
    axes.set_xlabel(f"promised share of right masks, with a mean IoU of {mean_iou:g}")
    axes.set_ylabel("share of the masks accepted")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2 if len(accepted) > 3 else 3)
    return figure
