"""Tests that the page's style sheet and the figures have one style for each score."""

from importlib.resources import files

import pytest

from msrcnn_mm.evaluation.protocol import REFERENCES, SCORES
from msrcnn_mm.report.score_styles import STYLES

CSS = files("msrcnn_mm.report").joinpath("page.css").read_text(encoding="utf-8")


def test_every_ranking_has_a_style() -> None:
    assert list(STYLES) == [*SCORES, *REFERENCES]


@pytest.mark.parametrize("score", STYLES)
def test_page_has_the_colours_of_the_figures(score: str) -> None:
    variable = f"--{score.replace('_', '-')}"
    light, dark = CSS.split("@media screen and (prefers-color-scheme: dark)")
    assert f"{variable}: {STYLES[score].colour};" in light
    assert f"{variable}: #" in dark
    assert f".{score} {{ --c: var({variable}); }}" in CSS
