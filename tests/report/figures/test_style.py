"""Tests the SVG and PNG output of figures."""

import re

import cv2
import matplotlib as mpl
import numpy as np

from msrcnn_mm.report.figures.style import INK, PANEL, as_png, as_svg, make_panel, report_style
from msrcnn_mm.report.score_styles import STYLES


def svg(key: str = "a", label: str = "x") -> str:
    with report_style():
        figure, axes = make_panel(*PANEL)
        for style in STYLES.values():
            axes.plot([0, 2], [0, 1], color=style.colour)
        axes.set_xlim(0.5, 1)  # so that lines are clipped
        axes.set_title("letters", color=INK)
        return as_svg(figure, key, label)


def test_colours_are_the_pages() -> None:
    drawn = svg()
    for name, style in STYLES.items():
        assert style.colour not in drawn
        assert f"var(--{name.replace('_', '-')})" in drawn
    assert "var(--ink)" in drawn


def test_letters_are_letters_and_nothing_is_from_outside() -> None:
    drawn = svg()
    assert ">letters</text>" in drawn
    assert drawn.startswith("<svg ")
    assert not any(part in drawn for part in ("://", "metadata", "<style"))


def test_two_figures_share_no_name() -> None:
    def ids(key: str) -> set[str]:
        return set(re.findall(r'\bid="([^"]*)"', svg(key)))

    assert ids("a") and not ids("a") & ids("b")
    assert ids("a") == ids("a")


def test_label_is_escaped() -> None:
    assert 'aria-label="&lt;&#34;&gt;"' in svg(label='<">')


def test_callers_style_stays() -> None:
    with mpl.rc_context({"font.size": 7, "svg.fonttype": "path"}):
        before = dict(mpl.rcParams)
        svg()
        assert dict(mpl.rcParams) == before


def test_png_is_on_white() -> None:
    with report_style():
        image = cv2.imdecode(
            np.frombuffer(as_png(make_panel(*PANEL)[0]), np.uint8), cv2.IMREAD_UNCHANGED
        )
    assert image is not None
    assert (image[0, 0] == 255).all()
