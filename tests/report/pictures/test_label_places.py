"""Tests the places of labels."""

import numpy as np
import pytest

from msrcnn_mm.engine.results.visualizer import MaskScoreVisualizer
from msrcnn_mm.report.pictures.label_places import Box, around, best_place, overlap


def test_labels_never_lie_upon_each_other() -> None:
    boxes = [(40.0, 40.0, 60.0, 60.0)] * 5
    placed: list[Box] = []
    for box in boxes:
        size = (40.0, 8.0)
        x, y = best_place(size, box, boxes, placed, (128.0, 128.0))
        here = around(x, y, size)
        assert sum(overlap(here, other) for other in placed) == 0
        assert here[0] >= 0 and here[1] >= 0 and here[2] <= 128 and here[3] <= 128
        placed.append(here)


def test_label_wider_than_the_view_is_placed_all_the_same() -> None:
    x, y = best_place((50, 8), (0, 0, 9, 9), [(0, 0, 9, 9)], [], (20, 20))
    assert (x, y) == (25, pytest.approx(y))


@pytest.mark.parametrize("side", [90, 128], ids=["narrower than the label", "small"])
@pytest.mark.parametrize("place", [0.1, 0.5, 0.95])
def test_visualizer_keeps_labels_inside_the_picture(side: int, place: float) -> None:
    visualizer = MaskScoreVisualizer(name="small")
    visualizer.set_image(np.full((side, side, 3), 90, np.uint8))
    position = np.array([place * side, place * side])
    visualizer.draw_texts("ring, class 91.0, mask: 85.0", position, font_sizes=6)
    (text,) = visualizer.ax_save.texts
    extent = text.get_window_extent()
    assert min(extent.x0, extent.y0) > -1  # rounded to whole pixels
    assert max(extent.x1, extent.y1) < side + 1


def test_visualizer_leaves_labels_that_fit() -> None:
    visualizer = MaskScoreVisualizer(name="fits")
    visualizer.set_image(np.full((120, 160, 3), 90, np.uint8))
    visualizer.draw_texts("ring", np.array([90, 60]), font_sizes=6)
    (text,) = visualizer.ax_save.texts
    assert text.get_position() == (90, 60) and text.get_fontsize() == 6
