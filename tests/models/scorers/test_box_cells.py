"""Tests the cells of boxes by hand."""

import torch

from msrcnn_mm.models.scorers.box_cells import box_cells, tight_boxes, whole_boxes


def test_cells_of_boxes_of_all_sizes() -> None:
    cells = box_cells(torch.tensor([[1, 0, 4, 3], [2, 2, 2, 4], [0, 1, 1, 3]]))
    of, rows, columns = (part.tolist() for part in cells.at)
    assert cells.lengths.tolist() == [9, 0, 2]
    assert of == [0] * 9 + [2] * 2
    assert rows == [0, 0, 0, 1, 1, 1, 2, 2, 2, 1, 2]
    assert columns == [1, 2, 3, 1, 2, 3, 1, 2, 3, 0, 0]
    assert cells.rim.tolist() == [True] * 4 + [False] + [True] * 6


def test_whole_maps_are_taken_as_they_are() -> None:
    maps = torch.rand(2, 3, 5)
    assert torch.equal(maps[box_cells(whole_boxes(maps)).at], maps.flatten())


def test_boxes_around_masks() -> None:
    masks = torch.zeros(3, 5, 6, dtype=torch.bool)
    masks[0, 1, 2] = masks[0, 3, 4] = True
    masks[2] = True
    assert tight_boxes(masks).tolist() == [[2, 1, 5, 4], [0, 0, 0, 0], [0, 0, 6, 5]]
    assert tight_boxes(masks[:0]).shape == (0, 4)
