"""Tests the figure of promises by the lines that it draws."""

from msrcnn_mm.report.figures.promise import draw_promises
from msrcnn_mm.report.figures.style import as_png, report_style


def test_each_score_has_a_line() -> None:
    accepted = {"class_score": [0.5, 0.2], "consensus": [0.6, 0.4]}
    with report_style():
        figure = draw_promises([0.8, 0.9], accepted, 0.75)
        assert as_png(figure).startswith(b"\x89PNG")
    (axes,) = figure.axes
    lines = {line.get_label(): list(line.get_ydata()) for line in axes.get_lines()}
    assert lines == {"class score": [0.5, 0.2], "consensus": [0.6, 0.4]}
    assert axes.get_xlim() == (0.8, 0.9) and "mean IoU of 0.75" in axes.get_xlabel()


def test_the_legend_above_the_axes_is_in_the_picture() -> None:
    scores = ("class_score", "mask_score", "maskness", "consensus", "rescored_score")
    accepted = {score: [0.5, 0.2] for score in scores}
    with report_style():
        figure = draw_promises([0.8, 0.9], accepted, 0.75)
        as_png(figure)
        legend = figure.axes[0].get_legend()
        assert legend is not None
        assert legend.get_window_extent().y1 <= figure.bbox.y1
