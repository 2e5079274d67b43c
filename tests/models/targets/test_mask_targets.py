"""Tests that mask targets equal MMDetection's, bit by bit."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdet.structures.mask import BitmapMasks, PolygonMasks
from mmdet.structures.mask.mask_target import mask_target_single
from mmengine.config import ConfigDict

from msrcnn_mm.models.targets import mask_targets as module
from msrcnn_mm.models.targets.mask_targets import mask_targets
from tests.support.scenes import Scene, random_scene

BINARY, SOFT = ConfigDict(mask_size=28), ConfigDict(mask_size=(14, 7), soft_mask_target=True)


def both(
    scene: Scene, boxes: np.ndarray, config: ConfigDict = BINARY
) -> tuple[torch.Tensor, torch.Tensor]:
    """Computes our targets of a scene's instances, and MMDetection's, which moves its boxes."""
    masks = BitmapMasks(scene.masks, *scene.masks.shape[1:])
    inputs = torch.from_numpy(boxes.astype(np.float32)), torch.from_numpy(scene.inds), masks
    ours = mask_targets(masks, inputs[0], inputs[1], config)
    assert np.array_equal(inputs[0].numpy(), boxes.astype(np.float32))
    return ours, mask_target_single(*inputs, config)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    jitter=st.floats(0, 2),
    whole=st.booleans(),
    config=st.sampled_from([BINARY, SOFT]),
    pixels=st.sampled_from([1, 10_000, 2**23]),
)
def test_equals_mmdetection_on_random_scenes(
    seed: int, jitter: float, whole: bool, config: ConfigDict, pixels: int
) -> None:
    scene = random_scene(seed, rois=6, jitter=jitter)
    boxes = scene.boxes.round() if whole else scene.boxes  # whole pixels, where means are 0.5
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_PIXELS", pixels)
        ours, theirs = both(scene, boxes, config)
    assert ours.dtype == torch.float32
    assert torch.equal(ours, theirs)


@pytest.mark.parametrize(
    "box",
    [
        [-10, -5.5, 12.25, 70],
        [-100, -100, 200, 200],
        [-50, -50, -20, -20],
        [10, 10, 11, 11],
        [10.2, 10.3, 10.21, 30],
        [10, 10, 10, 10],
        [49, 39, 50, 40],
    ],
)
@pytest.mark.parametrize("values", [0, 1, 255])
def test_equals_mmdetection_on_unusual_boxes(box: list[float], values: int) -> None:
    masks = np.zeros((2, 40, 50), np.uint8)
    masks[1, 8:22, 9:31] = masks[1, 38:, 45:] = values
    scene = Scene(masks, np.array([box]), np.ones(1, np.int64), np.zeros((1, 28, 28)))
    ours, theirs = both(scene, scene.boxes)
    assert torch.equal(ours, theirs)


def test_without_rois() -> None:
    masks = BitmapMasks(np.zeros((0, 40, 50)), 40, 50)
    empty = torch.zeros(0, dtype=torch.int64)
    assert mask_targets(masks, torch.zeros(0, 4), empty, BINARY).shape == (0, 28, 28)


def test_polygons_are_filled_as_by_mmdetection() -> None:
    masks = PolygonMasks([[np.array([5.3, 4.1, 30.7, 8.2, 26.4, 30.9])]], 40, 36)
    boxes, inds = torch.tensor([[3.5, 3, 30, 29]]), torch.zeros(1, dtype=torch.int64)
    ours = mask_targets(masks, boxes, inds, BINARY)
    assert torch.equal(ours, mask_target_single(boxes, inds, masks, BINARY))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_does_not_synchronise_with_the_device() -> None:
    scene = random_scene(5)
    masks = BitmapMasks(scene.masks, *scene.masks.shape[1:])
    boxes, inds = torch.from_numpy(scene.boxes).cuda(), torch.from_numpy(scene.inds).cuda()
    torch.cuda.set_sync_debug_mode("error")
    try:
        ours = mask_targets(masks, boxes, inds, BINARY)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert torch.equal(ours, mask_target_single(boxes, inds, masks, BINARY))
