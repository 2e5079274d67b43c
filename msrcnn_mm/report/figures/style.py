"""How figures look, and how one figure serves the page in both colour schemes and as a PNG.

A figure in the page is SVG: its letters are the page's, and each colour below is a variable of the
page's style sheet, which has a value for light and one for dark. Names and colours that a user
chose never enter a figure.
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
from matplotlib.figure import Figure

from msrcnn_mm.evaluation.protocol import (
    CALIBRATED_SCORE,
    CLASS_SCORE,
    MASK_SCORE,
    MASKNESS,
    ORACLE,
)

INK = "#24292f"
MUTED = "#59636e"
RULE = "#d4dae0"

# Of Okabe and Ito's palette, which colour-blind readers can tell apart.
COLOURS = {
    CLASS_SCORE: "#0072b2",
    MASK_SCORE: "#d55e00",
    MASKNESS: "#009e73",
    CALIBRATED_SCORE: "#cc79a7",
    ORACLE: "#6e7781",
}
LINES = {
    CLASS_SCORE: "--",
    MASK_SCORE: "-",
    MASKNESS: "-.",
    CALIBRATED_SCORE: (0, (5, 1, 1, 1, 1, 1)),
    ORACLE: ":",
}
MARKERS = {CLASS_SCORE: "o", MASK_SCORE: "D", MASKNESS: "^", CALIBRATED_SCORE: "v", ORACLE: "s"}

PANEL = (4.0, 3.3)  # inches; three of them side by side on a desktop, one on a phone
_PNG_DPI = 200

_VARIABLES = {
    INK: "--ink",
    MUTED: "--muted",
    RULE: "--rule",
    **{colour: f"--{name.replace('_', '-')}" for name, colour in COLOURS.items()},
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
def styled() -> Iterator[None]:
    """Draws and writes figures in the report's style, and leaves the caller's as it was."""
    with mpl.rc_context(_STYLE):
        yield


def panel(width: float = PANEL[0], height: float = PANEL[1]) -> tuple[Figure, Axes]:
    """An empty figure; sizes in inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def as_png(figure: Figure) -> bytes:
    """For slides and papers: on white."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_PNG_DPI, facecolor="white")
    return buffer.getvalue()


def as_svg(figure: Figure, key: str, label: str) -> Markup:
    """For the page, without a reference to anything outside it.

    Args:
        figure: Drawn in :func:`styled`.
        key: Of the figure alone; keeps the names inside one SVG apart from another's.
        label: What it shows, for those who cannot see it.
    """
    buffer = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with mpl.rc_context({"svg.hashsalt": key}):
        figure.savefig(buffer, format="svg", metadata=nothing, transparent=True)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    # Inside HTML the namespaces are known; a page without an address can be seen to need none.
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\s+xmlns(:\w+)?="[^"]*"', "", svg).replace("xlink:href", "href")
    svg = re.sub(r'<svg width="[^"]*" height="[^"]*"', "<svg", svg)
    # what would reach beyond the figure: rules for the whole page, names that every figure has
    svg = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, f"var({variable})")
    return Markup(svg.replace("<svg", f'<svg role="img" aria-label="{escape(label)}"', 1))


def as_data_uri(image: bytes, kind: str) -> str:
    """An image file as an address that holds it.

    Args:
        image: The file's content.
        kind: ``jpeg`` or ``png``.
    """
    return f"data:image/{kind};base64,{base64.b64encode(image).decode()}"
