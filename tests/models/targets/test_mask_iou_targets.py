"""Tests of mask IoU targets against brute force, MMDetection and on degenerate inputs."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdet.models.roi_heads.mask_heads.fcn_mask_head import _do_paste_mask
from mmdet.structures.mask import BitmapMasks, PolygonMasks

from msrcnn_mm.models.targets import mask_iou_targets as module
from msrcnn_mm.models.targets.mask_iou_targets import mask_iou_targets
from msrcnn_mm.models.targets.summed_area import SummedAreaTables
from tests.support import brute_force
from tests.support.scenes import Scene, random_scene
from tests.support.three_targets import built_in_targets_of, targets_of, truth_of

# Areas of ground truth are exact. The outline of the predicted mask differs from brute force: it
# is sampled at 56 x 56 points of the box, not at 8 x 8 per pixel. The error grows with the share of
# the mask on its outline: over 1,000 masks the largest was 0.049 (a sliver that fills a sixth of
# its box), the mean 0.0025.
TOLERANCE = 0.06
MEAN_TOLERANCE = 0.004


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), jitter=st.floats(0, 0.5))
def test_equals_brute_force_on_random_scenes(seed: int, jitter: float) -> None:
    scene = random_scene(seed, jitter=jitter)
    assert np.abs(targets_of(scene).numpy() - truth_of(scene)).max() < TOLERANCE


def test_mean_error_against_brute_force_is_small() -> None:
    errors = [targets_of(s).numpy() - truth_of(s) for s in map(random_scene, range(60))]
    assert np.abs(np.concatenate(errors)).mean() < MEAN_TOLERANCE


def test_the_brute_force_reference_pastes_as_mmdetection_does() -> None:
    scene = random_scene(3)
    height, width = scene.masks.shape[1:]
    probabilities = torch.from_numpy(scene.logits).sigmoid()
    pasted, _ = _do_paste_mask(
        probabilities[:, None], torch.from_numpy(scene.boxes), height, width, skip_empty=False
    )
    for r, box in enumerate(scene.boxes):
        mine = brute_force.pasted(probabilities[r].double().numpy(), box, (height, width), 1)
        disagree = mine != (pasted[r] >= 0.5).numpy()
        assert disagree.mean() < 0.002  # samples that fall on 0.5 to the last bit


def test_closer_to_brute_force_than_the_built_in() -> None:
    ours, theirs = [], []
    for scene in map(random_scene, range(60)):
        truth = truth_of(scene)
        ours.append(np.abs(targets_of(scene).numpy() - truth))
        theirs.append(np.abs(built_in_targets_of(scene).numpy() - truth))
    ours, theirs = np.concatenate(ours), np.concatenate(theirs)
    differ = np.abs(ours - theirs) > 0.02
    assert differ.sum() > 20  # they differ often enough to compare
    assert (ours[differ] < theirs[differ]).all()
    assert ours.mean() < theirs.mean() / 5
    assert ours.max() < theirs.max() / 5


def test_all_corners_give_what_the_outline_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    scenes = [random_scene(seed, rois=8, jitter=0.5) for seed in range(20)]
    of_outline = torch.cat([targets_of(scene) for scene in scenes])
    monkeypatch.setattr(module, "_outline_corners", module._all_corners)  # as on a GPU
    assert torch.allclose(torch.cat([targets_of(scene) for scene in scenes]), of_outline, 0, 1e-7)


def test_a_mask_beside_the_instance_has_no_overlap_at_all() -> None:
    masks = np.zeros((1, 60, 60), np.uint8)
    masks[0, :, :20] = masks[0, 40:, :] = 1
    scene = Scene(
        masks,
        np.array([[20.7, 3.3, 55.1, 39.2]], np.float32),
        np.zeros(1, np.int64),
        np.random.default_rng(0).normal(0, 3, (1, 28, 28)).astype(np.float32),
    )
    assert targets_of(scene).item() == 0  # sums of areas leave 1e-13 of rounding


def test_area_outside_the_box_counts_in_the_union() -> None:
    masks = np.zeros((1, 20, 40), np.uint8)
    masks[0, 5:15, 10:30] = 1
    half_box = np.array([[10, 5, 20, 15]], np.float32)
    scene = Scene(masks, half_box, np.zeros(1, np.int64), np.full((1, 28, 28), 9, np.float32))
    # the predicted mask fills the box except its rim, an eighth of a cell
    assert targets_of(scene).item() == pytest.approx(0.5, abs=0.001)


def test_a_mask_is_binarised_at_probability_one_half() -> None:
    masks = np.ones((1, 28, 28), np.uint8)
    logits = np.full((1, 28, 28), -0.01, np.float32)
    logits[:, :, 14:] = 0.3  # probability 0.57: foreground here, background to the built-in
    scene = Scene(masks, np.array([[0, 0, 28, 28]], np.float32), np.zeros(1, np.int64), logits)
    # interpolation between 0.4975 and 0.5744 carries the outline into the neighbouring cell
    assert targets_of(scene).item() == pytest.approx(0.5, abs=0.06)
    assert built_in_targets_of(scene).item() == 0


@pytest.mark.parametrize(
    ("name", "box", "mask_is_empty", "logit"),
    [
        ("outside the image", [-50, -50, -20, -20], False, 5.0),
        ("partly outside", [-10, 10, 15, 70], False, 5.0),
        ("around the whole image", [-100, -100, 200, 200], False, 5.0),
        ("no area", [10, 10, 10, 10], False, 5.0),
        ("no width", [10, 10, 10, 30], False, 5.0),
        ("inverted", [30, 30, 10, 10], False, 5.0),
        ("thinner than a pixel", [10.2, 10.3, 10.21, 30], False, 5.0),
        ("empty ground truth", [5, 5, 25, 25], True, 5.0),
        ("empty prediction", [5, 5, 25, 25], False, -5.0),
        ("both empty", [5, 5, 25, 25], True, -5.0),
        ("infinite logits", [5, 5, 25, 25], False, float("inf")),
        ("not a number", [5, 5, 25, 25], False, float("nan")),
    ],
)
def test_degenerate_inputs_give_a_finite_iou(name, box, mask_is_empty, logit) -> None:
    masks = np.zeros((2, 40, 50), np.uint8)
    if not mask_is_empty:
        masks[1, 8:22, 9:31] = 1
    scene = Scene(
        masks,
        np.array([box], np.float32),
        np.ones(1, np.int64),
        np.full((1, 28, 28), logit, np.float32),
    )
    target = targets_of(scene)
    assert target.shape == (1,)
    assert 0 <= target.item() <= 1
    if not np.isnan(logit) and not np.isinf(logit):
        assert target.item() == pytest.approx(truth_of(scene)[0], abs=0.01)


def test_no_positives_and_no_ground_truth() -> None:
    for count in (0, 2):
        masks = BitmapMasks(np.zeros((count, 40, 50), np.uint8), 40, 50)
        tables = SummedAreaTables.from_masks([masks], torch.device("cpu"))
        empty = torch.zeros(0, dtype=torch.int64)
        target = mask_iou_targets(torch.zeros(0, 28, 28), torch.zeros(0, 4), empty, tables)
        assert target.shape == (0,)
        assert target.dtype == torch.float32


def test_polygons_and_bitmaps_give_the_same_targets() -> None:
    polygons = [
        [np.array([5.3, 4.1, 30.7, 8.2, 26.4, 30.9, 8.8, 25.2])],
        [np.array([1.0, 1.0, 9.5, 1.0, 9.5, 9.5]), np.array([20.2, 20.1, 33.3, 20.4, 26.6, 38.0])],
    ]
    polygon_masks = PolygonMasks(polygons, 40, 36)
    scene = random_scene(1)
    scene.masks = polygon_masks.to_ndarray()
    scene.inds = scene.inds % 2
    polygon_tables = SummedAreaTables.from_masks([polygon_masks], torch.device("cpu"))
    from_polygons = mask_iou_targets(
        torch.from_numpy(scene.logits),
        torch.from_numpy(scene.boxes),
        torch.from_numpy(scene.inds),
        polygon_tables,
    )
    assert torch.equal(from_polygons, targets_of(scene))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_logits(dtype: torch.dtype) -> None:
    scene = random_scene(5)
    assert targets_of(scene, dtype).dtype == torch.float32
    assert torch.allclose(targets_of(scene, dtype), targets_of(scene), atol=0.02)


def test_runs_in_float64_under_autocast() -> None:
    scene = random_scene(5)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(targets_of(scene), targets_of(scene))
        under_autocast = targets_of(scene)
    assert torch.equal(under_autocast, targets_of(scene))


def test_no_gradient_flows_into_the_targets() -> None:
    scene = random_scene(5)
    logits = torch.from_numpy(scene.logits).requires_grad_()
    masks = BitmapMasks(scene.masks, *scene.masks.shape[1:])
    tables = SummedAreaTables.from_masks([masks], torch.device("cpu"))
    target = mask_iou_targets(
        logits, torch.from_numpy(scene.boxes), torch.from_numpy(scene.inds), tables
    )
    assert not target.requires_grad


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_does_not_synchronise_with_the_device() -> None:
    scene = random_scene(5)
    masks = BitmapMasks(scene.masks, *scene.masks.shape[1:])
    tables = SummedAreaTables.from_masks([masks], torch.device("cuda"))
    inputs = [torch.from_numpy(a).cuda() for a in (scene.logits, scene.boxes, scene.inds)]
    torch.cuda.set_sync_debug_mode("error")
    try:
        target = mask_iou_targets(*inputs, tables)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert torch.allclose(target.cpu(), targets_of(scene), atol=1e-5)
