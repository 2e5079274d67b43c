"""Draws scores against true IoUs for the ``correlate`` command."""

from collections.abc import Mapping

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patheffects import Normal, Stroke
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray

from msrcnn_mm.evaluation.correlation import ScorePoints
from msrcnn_mm.evaluation.protocol import CORRECT_IOU

PANEL = 3.5  # inches
DPI = 150
FONT = 10  # points
# Colour-blind readers and grey print can tell shades of one hue apart. The palest shades are left
# out, so that a single mask shows on white.
COLOUR_MAP = mpl.colors.ListedColormap(mpl.colormaps["Blues"](np.linspace(0.22, 1, 256)))
MEAN_COLOUR = "#d55e00"  # vermilion, distinct from blue in every kind of colour blindness
X_LABELS = {"mask IoU": "mask IoU (predicted)"}


def draw_correlation(points: Mapping[str, ScorePoints]) -> Figure:
    """Draws one panel for each score, with the counts of all on one logarithmic scale.

    Args:
        points: Name of a score -> its points; at least one score.
    """
    size = (PANEL * len(points) + 1.3, PANEL + 1.35)
    figure = Figure(figsize=size, dpi=DPI, layout="constrained")
    axes = figure.subplots(1, len(points), sharey=True, squeeze=False)[0]
    histograms = [_histogram(p) for p in points.values()]
    norm = LogNorm(1, max(10.0, *(float(h.max()) for h in histograms)))
    for ax, (name, p), histogram in zip(axes, points.items(), histograms, strict=True):
        mesh = _draw_panel(ax, name, p, histogram, norm)
    axes[0].set_ylabel("true IoU", fontsize=FONT)
    bar = figure.colorbar(mesh, cax=axes[-1].inset_axes((1.06, 0, 0.045, 1)))
    bar.set_label("masks", fontsize=FONT)
    bar.ax.tick_params(labelsize=FONT - 1)
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda count, _: f"{count:,g}"))
    bar.outline.set_visible(False)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=2, frameon=False, fontsize=FONT
    )
    return figure


def coefficient(value: float | None) -> str:
    """Formats a coefficient with two digits; ``-`` if it is undefined."""
    return "-" if value is None else f"{value:.2f}"


def _histogram(points: ScorePoints) -> NDArray[np.float64]:
    """Returns (cells, cells) counts by score and true IoU.

    A score outside [0, 1] counts in the outer cells. The number of cells grows with that of the
    masks, because cells of one mask each would show noise.
    """
    cells = int(np.clip(np.sqrt(len(points.scores)), 20, 50))
    scores = np.clip(points.scores, 0, 1)
    return np.histogram2d(scores, points.true_ious, cells, range=[[0, 1], [0, 1]])[0]


def _draw_panel(
    ax: Axes, name: str, points: ScorePoints, histogram: NDArray[np.float64], norm: LogNorm
) -> QuadMesh:
    """Draws a score's histogram, the diagonal and the mean true IoU in each bin of the score."""
    edges = np.linspace(0, 1, len(histogram) + 1)
    counted = np.ma.masked_equal(histogram.T, 0)  # empty cells stay white
    mesh = ax.pcolormesh(edges, edges, counted, cmap=COLOUR_MAP, norm=norm, rasterized=True)
    rim = [Stroke(linewidth=3.4, foreground="white"), Normal()]
    ax.plot(
        [0, 1], [0, 1], color="#333333", linewidth=1.1, linestyle=(0, (4, 3)), label="score = IoU"
    )
    means = [
        ((b.low + b.high) / 2, b.mean_true_iou)
        for b in points.all.bins
        if b.mean_true_iou is not None
    ]
    ax.plot(
        *zip(*means, strict=True),
        color=MEAN_COLOUR,
        linewidth=1.8,
        marker="o",
        markersize=5,
        label="mean true IoU",
        path_effects=rim,
        clip_on=False,
    )
    ax.set_xlim(0, 1)
    ax.set_ylim(0, 1)
    ax.set_aspect("equal")
    ax.set_xlabel(X_LABELS.get(name, name), fontsize=FONT, weight="bold")
    ax.tick_params(labelsize=FONT - 1, length=3)
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_title(_title(points), fontsize=FONT - 2, loc="left", linespacing=1.4)
    return mesh


def _title(points: ScorePoints) -> str:
    """Returns a line for all masks and one for the matched ones."""
    sets = (("all", points.all), (f"IoU ≥ {CORRECT_IOU}", points.matched))
    return "\n".join(
        f"{name}: Pearson {coefficient(found.pearson)}, Spearman {coefficient(found.spearman)}, "
        f"{found.count:,} mask{'s' if found.count != 1 else ''}"
        for name, found in sets
    )
