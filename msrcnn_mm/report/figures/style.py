"""Styles figures and writes them as SVG for the page and as PNG.

An SVG uses the page's font, and its colours are variables of the page's style sheet, which has
values for light and for dark screens. Figures contain no text from users' files.
"""

import base64
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from ..score_styles import STYLES

INK = "#24292f"
MUTED = "#59636e"
RULE = "#d4dae0"

PANEL = (4.0, 3.3)  # inches; a desktop has room for three side by side, a phone for one
_PNG_DPI = 200

_VARIABLES = {
    INK: "--ink",
    MUTED: "--muted",
    RULE: "--rule",
    **{style.colour: f"--{name.replace('_', '-')}" for name, style in STYLES.items()},
}

_STYLE: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": RULE,
    "axes.grid": True,
    "axes.labelcolor": MUTED,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.unicode_minus": True,
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "lines.linewidth": 2,
    "lines.markersize": 5,
    "svg.fonttype": "none",
    "svg.hashsalt": "report",
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
}


@contextmanager
def report_style() -> Iterator[None]:
    """Applies the report's style to figures that are drawn and written inside the context."""
    with mpl.rc_context(_STYLE):
        yield


def make_panel(width: float, height: float) -> tuple[Figure, Axes]:
    """Returns an empty figure of a size in inches, and its axes."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def draw_line(axes: Axes, ranking: str, x: ArrayLike, y: ArrayLike, **style: Any) -> None:
    """Draws a line through (P,) ``x`` and ``y`` in the style of a ranking and of ``Axes.plot``."""
    known = STYLES[ranking]
    axes.plot(x, y, linestyle=known.line, color=known.colour, label=known.name, **style)


def as_png(figure: Figure) -> bytes:
    """Returns the figure as a PNG file's content, on white."""
    figure.set_dpi(_PNG_DPI)
    buffer = io.BytesIO()
    canvas: Any = FigureCanvasAgg(figure)
    canvas.print_png(buffer)  # savefig would draw the figure twice, the first time to lay it out
    return buffer.getvalue()


def as_svg(figure: Figure, key: str, label: str) -> Markup:
    """Returns the figure as SVG for the page, without any reference outside it.

    The layout is final: a PNG of the same figure has it too.

    Args:
        figure: A figure drawn in :func:`report_style`.
        key: A key that no other figure of the page has; makes the ids in the SVG unique.
        label: A description for screen readers.
    """
    buffer = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with mpl.rc_context({"svg.hashsalt": key}):
        figure.savefig(buffer, format="svg", metadata=nothing, transparent=True)
    figure.set_layout_engine("none")
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    # HTML needs no namespaces, and without them the page contains no address at all.
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\s+xmlns(:\w+)?="[^"]*"', "", svg).replace("xlink:href", "href")
    svg = re.sub(r'<svg width="[^"]*" height="[^"]*"', "<svg", svg)
    # Style rules and the groups' ids would apply to the whole page.
    svg = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, f"var({variable})")
    return Markup(svg.replace("<svg", f'<svg role="img" aria-label="{escape(label)}"', 1))


def as_data_uri(image: bytes, kind: str) -> str:
    """Returns an image file as a data URI.

    Args:
        image: The file's content.
        kind: ``jpeg`` or ``png``.
    """
    return f"data:image/{kind};base64,{base64.b64encode(image).decode()}"
