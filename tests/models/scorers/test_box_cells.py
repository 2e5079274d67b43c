"""Tests the cells of boxes by hand."""

import pytest
import torch

from msrcnn_mm.models.scorers.box_cells import box_cells, map_cells, tight_boxes


def test_cells_of_boxes_of_all_sizes() -> None:
    cells = box_cells(torch.tensor([[1, 0, 4, 3], [2, 2, 2, 4], [0, 1, 1, 3]]))
    of, rows, columns = (part.tolist() for part in cells.at)
    assert cells.lengths.tolist() == [9, 0, 2]
    assert of == [0] * 9 + [2] * 2
    assert rows == [0, 0, 0, 1, 1, 1, 2, 2, 2, 1, 2]
    assert columns == [1, 2, 3, 1, 2, 3, 1, 2, 3, 0, 0]
    assert cells.rim.tolist() == [True] * 4 + [False] + [True] * 6


@pytest.mark.parametrize("shape", [(2, 3, 5), (3, 1, 4), (2, 1, 1), (0, 28, 28)])
def test_cells_of_maps_are_those_of_boxes_around_them(shape: tuple[int, int, int]) -> None:
    maps = torch.rand(shape)
    found = map_cells(maps)
    expected = box_cells(torch.tensor([0, 0, shape[2], shape[1]]).expand(shape[0], 4))
    assert torch.equal(maps[found.at], maps.flatten())
    assert torch.equal(found.lengths, expected.lengths)
    assert torch.equal(found.rim, expected.rim)


def test_boxes_around_masks() -> None:
    masks = torch.zeros(3, 5, 6, dtype=torch.bool)
    masks[0, 1, 2] = masks[0, 3, 4] = True
    masks[2] = True
    assert tight_boxes(masks).tolist() == [[2, 1, 5, 4], [0, 0, 0, 0], [0, 0, 6, 5]]
    assert tight_boxes(masks[:0]).shape == (0, 4)
