"""Tests the places of labels."""

import pytest

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
