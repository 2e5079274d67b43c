"""Masks in the image and their statistics, against those of MMDetection and of the detector."""

import numpy as np
import pycocotools.mask as mask_utils
import pytest
import torch
from mmdet.models.roi_heads.mask_heads.fcn_mask_head import _do_paste_mask

from msrcnn_mm.models.scorers.box_cells import map_cells
from msrcnn_mm.models.scorers.mask_statistics import NAMES
from msrcnn_mm.models.scorers.mask_statistics import mask_statistics as torch_statistics
from msrcnn_mm.runtime.masks import mask_statistics, paste

HEIGHT, WIDTH = 50, 70


def random_masks(count: int) -> np.ndarray:
    """Returns blobs: smoothed noise, so that few pixels are near the threshold."""
    noise = torch.randn(count, 1, 7, 7, generator=torch.Generator().manual_seed(0))
    smooth = torch.nn.functional.interpolate(noise, size=(28, 28), mode="bicubic")
    return (3 * smooth[:, 0]).sigmoid().numpy()


def test_masks_are_pasted_as_mmdetection_does() -> None:
    random = np.random.default_rng(0)
    corner = random.uniform(0, [WIDTH, HEIGHT], (200, 2))
    other = random.uniform(0, [WIDTH, HEIGHT], (200, 2))
    boxes = np.concatenate((np.minimum(corner, other), np.maximum(corner, other)), axis=1)
    boxes[0] = [0, 0, WIDTH, HEIGHT]
    boxes[1] = [5, 6, 5, 20]  # without width
    boxes[2] = [4.5, 6.5, 4.5, 6.5]  # a pixel's centre
    boxes[3] = [WIDTH - 0.2, HEIGHT - 0.2, WIDTH, HEIGHT]
    boxes = boxes.astype(np.float32)
    masks = random_masks(len(boxes))
    rles = paste(masks, boxes, HEIGHT, WIDTH, 0.5)
    assert [rle["size"] for rle in rles] == [[HEIGHT, WIDTH]] * len(boxes)
    differing = 0
    for mask, box, rle in zip(masks, boxes, rles, strict=True):
        one = torch.from_numpy(mask)[None, None], torch.from_numpy(box)[None]
        values, where = _do_paste_mask(*one, HEIGHT, WIDTH)
        expected = np.zeros((HEIGHT, WIDTH), np.uint8)
        expected[where] = values[0] >= 0.5
        differing += (mask_utils.decode(rle) != expected).sum()
    assert differing <= 1  # of 700,000 pixels, where a probability rounds to another side


def test_no_masks_are_none() -> None:
    assert paste(np.zeros((0, 28, 28), np.float32), np.zeros((0, 4), np.float32), 9, 9, 0.5) == []
    assert mask_statistics(np.zeros((0, 28, 28), np.float32), 0.5) == []


def test_statistics_are_those_of_the_detector() -> None:
    probs = random_masks(20)
    probs[0], probs[1] = 0, 1
    tensor = torch.from_numpy(probs)
    cells = map_cells(tensor)
    expected = torch_statistics(tensor.flatten(), (tensor >= 0.4).flatten(), cells)
    for found, row in zip(mask_statistics(probs, 0.4), expected.tolist(), strict=True):
        assert found == pytest.approx(dict(zip(NAMES, row, strict=True)), abs=1.1e-4)
