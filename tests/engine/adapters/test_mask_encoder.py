"""Tests encoded masks against MMDetection's pasting and pycocotools."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdet.models.roi_heads.mask_heads.fcn_mask_head import _do_paste_mask
from mmdet.structures.mask import encode_mask_results

from msrcnn_mm.coco import box_masks
from msrcnn_mm.coco.detections import Rle
from msrcnn_mm.engine.adapters.mask_encoder import (
    RleEncoder,
    encode_boxes,
    encode_masks,
    encoded_masks,
    masks_of,
)
from msrcnn_mm.models.hosts.mask_heads import FCNMaskHead

HEIGHT, WIDTH = 40, 60
PLACES = st.one_of(
    st.floats(-5, 65, width=32),
    st.floats(-2e5, 2e5, width=32),
    st.integers(-3, 63).map(float),
    st.integers(-3, 63).map(lambda pixel: pixel + 0.5),
)
SIDES = st.one_of(st.floats(0, 80, width=32), st.sampled_from([0.0, 1.0, 0.01, 1e-6, -0.5, -30.0]))
BOXES = st.tuples(PLACES, PLACES, SIDES, SIDES)
CELLS = st.sampled_from([0.0, 0.1, 0.2999, 0.3, 0.5, 0.50001, 0.9, 1.0, float("nan")])


def pasted(probs: torch.Tensor, box: torch.Tensor, threshold: float, cut: bool) -> np.ndarray:
    """Returns the image-sized mask of a box, each pixel sampled by MMDetection."""
    values, _ = _do_paste_mask(probs[None, None], box[None], HEIGHT, WIDTH, skip_empty=False)
    mask = (values[0] >= threshold).numpy()
    if cut:
        left, top, right, bottom = box.double().tolist()
        rows, columns = np.mgrid[:HEIGHT, :WIDTH]
        mask &= (columns >= np.floor(left) - 1) & (columns < np.ceil(right) + 1)
        mask &= (rows >= np.floor(top) - 1) & (rows < np.ceil(bottom) + 1)
        try:
            values, where = _do_paste_mask(probs[None, None], box[None], HEIGHT, WIDTH)
        except RuntimeError:  # of a box that is outside or upside down
            assert not mask.any()
        else:
            as_on_cpu = np.zeros_like(mask)
            as_on_cpu[where] = values[0] >= threshold
            assert (mask == as_on_cpu).all()
    return mask


def encoded(masks: np.ndarray) -> list[Rle]:
    """Returns what pycocotools makes of image-sized masks, with counts as text."""
    return [
        {"size": rle["size"], "counts": rle["counts"].decode()}
        for rle in encode_mask_results(masks)
    ]


@pytest.mark.parametrize("cut", [True, False])
@settings(deadline=None, max_examples=40)
@given(
    boxes=st.lists(BOXES, min_size=1, max_size=4),
    cells=st.lists(CELLS, min_size=1, max_size=9),
    threshold=st.sampled_from([0.0, 1e-4, 0.3, 0.5, 1.0]),
    side=st.sampled_from([2, 7, 28]),
    seed=st.integers(0, 9),
)
def test_masks_are_those_that_mmdetection_pastes(cut, boxes, cells, threshold, side, seed):
    corners = torch.tensor([(x, y, x + w, y + h) for x, y, w, h in boxes], dtype=torch.float32)
    random = torch.Generator().manual_seed(seed)
    probs = torch.rand(len(boxes), side, side, generator=random)
    # half of them of few values, so that edges and planes are at the threshold
    flat = torch.tensor(cells)[torch.randint(len(cells), probs.shape, generator=random)]
    probs[::2] = flat[::2]
    expected = np.stack(
        [pasted(*pair, threshold, cut) for pair in zip(probs, corners, strict=True)]
    )
    found = encode_boxes(probs, corners, HEIGHT, WIDTH, threshold, whole_image=not cut)
    assert found == encoded(expected)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 999), count=st.integers(0, 4))
def test_image_sized_masks_are_encoded_as_by_pycocotools(seed, count):
    random = np.random.default_rng(seed)
    masks = np.zeros((count, HEIGHT, WIDTH), bool)
    for mask in masks:
        rows, columns = (np.sort(random.integers(0, side + 1, 2)) for side in mask.shape)
        part = mask[slice(*rows), slice(*columns)]
        part[:] = random.random(part.shape) < random.choice([0.05, 0.5, 1])
    rles = encode_masks(torch.from_numpy(masks))
    assert rles == encoded(masks)
    if count:
        assert torch.equal(masks_of(rles), torch.from_numpy(masks))


def test_many_columns_are_encoded_part_by_part(monkeypatch):
    random = torch.Generator().manual_seed(0)
    probs = torch.rand(9, 28, 28, generator=random)
    boxes = torch.tensor([[0.5, 1.5, 55, 39]]).repeat(9, 1)
    whole = encode_boxes(probs, boxes, HEIGHT, WIDTH, 0.5, whole_image=False)
    monkeypatch.setattr(box_masks, "_AT_ONCE", 100)
    assert encode_boxes(probs, boxes, HEIGHT, WIDTH, 0.5, whole_image=False) == whole


def test_a_model_encodes_within_a_block():
    head = FCNMaskHead(num_convs=1)
    model = torch.nn.Sequential(head)
    assert head.encoder is None
    with encoded_masks(model):
        assert isinstance(head.encoder, RleEncoder)
        with encoded_masks(model):
            pass
        assert isinstance(head.encoder, RleEncoder)
    assert head.encoder is None
