"""Tests that a pair shows the masks in its view, near edges of the image too."""

import io
from pathlib import Path

import numpy as np
import pycocotools.mask as mask_utils
import pytest
from PIL import Image

from msrcnn_mm.coco.detections import Rle
from msrcnn_mm.report.pictures import annotation_pairs

HEIGHT, WIDTH = 300, 400


def rle(top: int, left: int, bottom: int, right: int) -> Rle:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8, order="F")
    mask[top:bottom, left:right] = 1
    return mask_utils.encode(mask)


def test_masks_are_cut_to_the_view(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(np.full((HEIGHT, WIDTH, 3), 90, np.uint8)).save(tmp_path / "a.png")
    entry = dict(file_name="a.png", height=HEIGHT, width=WIDTH)
    suspected, far, near = rle(250, 350, 300, 400), rle(0, 0, 50, 50), rle(200, 330, 260, 360)
    decoded: list[Rle] = []
    decode = mask_utils.decode
    monkeypatch.setattr(mask_utils, "decode", lambda one: decoded.append(one) or decode(one))
    drawn: dict[str, list[np.ndarray]] = dict(draw_mask=[], draw_truth=[])
    for name, masks in drawn.items():
        own = getattr(annotation_pairs, name)

        def draw(axes, mask, *args, own=own, masks=masks):
            masks.append(mask)
            own(axes, mask, *args)

        monkeypatch.setattr(annotation_pairs, name, draw)
    found = rle(255, 355, 295, 400)
    jpeg = annotation_pairs.draw_pair(tmp_path, entry, [suspected], [far, near], [found])
    assert far not in decoded and near in decoded
    y, x = HEIGHT - drawn["draw_mask"][0].shape[0], WIDTH - drawn["draw_mask"][0].shape[1]
    assert 0 < y < 250 and 0 < x < 350  # the view is in the corner

    def shown(masks: list[Rle]) -> list[list]:
        return [mask_utils.decode(mask)[y:, x:].tolist() for mask in masks]

    assert [mask.tolist() for mask in drawn["draw_mask"]] == shown([suspected, found])
    assert [mask.tolist() for mask in drawn["draw_truth"]] == shown([suspected, near])
    width, height = Image.open(io.BytesIO(jpeg)).size
    assert width > 1.9 * height
