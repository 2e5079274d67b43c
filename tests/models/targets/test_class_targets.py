"""Tests of the targets of each output: scenes by hand, and brute force on random ones."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdet.structures.mask import BitmapMasks

from msrcnn_mm.models.targets.class_targets import class_targets
from msrcnn_mm.models.targets.summed_area import SummedAreaTables
from tests.support import brute_force
from tests.support.scenes import Scene, random_scene

TOLERANCE = 0.06  # explained in test_mask_iou_targets.py


def targets_of(
    learns: str,
    scene: Scene,
    preds: np.ndarray,
    gt_labels: list[int],
    outputs: int = 4,
) -> tuple[np.ndarray, np.ndarray]:
    """Computes targets of a scene, with 0.9 as the IoU of all target classes."""
    labels = torch.tensor(gt_labels)
    masks = BitmapMasks(scene.masks, *scene.masks.shape[1:])
    ious, learned = class_targets(
        learns,
        torch.full((len(scene.boxes),), 0.9),
        torch.from_numpy(preds),
        torch.from_numpy(scene.boxes),
        torch.from_numpy(scene.inds),
        labels[torch.from_numpy(scene.inds)],
        labels,
        SummedAreaTables.from_masks([masks], torch.device("cpu")),
        outputs,
    )
    return ious.numpy(), learned.numpy()


@pytest.fixture
def two_in_a_box() -> Scene:
    """Makes one RoI: its instance is on the left, another fills its right half and beyond."""
    masks = np.zeros((3, 20, 60), np.uint8)
    masks[0, 0:20, 0:10] = 1
    masks[1, 0:20, 10:30] = 1
    masks[2, 0:20, 40:50] = 1
    box = np.array([[0, 0, 20, 20]], np.float32)
    return Scene(masks, box, np.zeros(1, np.int64), np.zeros((1, 28, 28), np.float32))


def predictions() -> np.ndarray:
    """Predicts class 1 on the left half of the box, class 2 on the right, no others."""
    preds = np.full((1, 4, 28, 28), -9, np.float32)
    preds[0, 1, :, :14] = 9
    preds[0, 2, :, 14:] = 9
    return preds


# By hand: class 2's mask covers half of its instance, 200 of 400 pixels, and nothing else.
# Class 3's instance lies outside the box, class 0 has none.
@pytest.mark.parametrize(
    ("learns", "ious", "learned"),
    [
        ("target_class", [0, 0.9, 0, 0], [0, 1, 0, 0]),
        ("all_classes", [0, 0.9, 0.5, 0], [1, 1, 1, 1]),
        ("positive_classes", [0, 0.9, 0.5, 0], [0, 1, 1, 0]),
    ],
)
def test_the_papers_three_settings(
    two_in_a_box: Scene, learns: str, ious: list[float], learned: list[int]
) -> None:
    found = targets_of(learns, two_in_a_box, predictions(), [1, 2, 3])
    assert found[0][0] == pytest.approx(ious, abs=0.01)
    assert found[1][0].tolist() == [bool(value) for value in learned]


def test_another_instance_of_the_target_class_does_not_count(two_in_a_box: Scene) -> None:
    ious, learned = targets_of("positive_classes", two_in_a_box, predictions(), [1, 1, 3])
    assert ious[0].tolist() == pytest.approx([0, 0.9, 0, 0])
    assert learned[0].tolist() == [False, True, False, False]


def test_touching_the_box_is_not_appearing_in_it(two_in_a_box: Scene) -> None:
    two_in_a_box.boxes[0, 2] = 10
    _, learned = targets_of("positive_classes", two_in_a_box, predictions(), [1, 2, 3])
    assert learned[0].tolist() == [False, True, False, False]


@pytest.mark.parametrize("learns", ["target_class", "all_classes", "positive_classes"])
@pytest.mark.parametrize("rois", [0, 1])
def test_without_rois_and_with_one_class(two_in_a_box: Scene, learns: str, rois: int) -> None:
    two_in_a_box.boxes, two_in_a_box.inds = two_in_a_box.boxes[:rois], two_in_a_box.inds[:rois]
    ious, learned = targets_of(learns, two_in_a_box, predictions()[:rois, :1], [0, 0, 0], 1)
    assert ious.shape == learned.shape == (rois, 1)
    assert (ious == np.float32(0.9)).all()
    assert learned.all()


def test_a_class_agnostic_mask_serves_all_classes(two_in_a_box: Scene) -> None:
    ious, _ = targets_of("positive_classes", two_in_a_box, predictions()[:, 2:3], [1, 2, 3])
    assert ious[0, 2] == pytest.approx(0.5, abs=0.01)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), gt_labels=st.lists(st.integers(0, 3), min_size=3, max_size=3))
def test_equals_brute_force_on_random_scenes(seed: int, gt_labels: list[int]) -> None:
    scene = random_scene(seed, jitter=0.3)
    rng = np.random.default_rng(seed)
    preds = np.repeat(scene.logits[:, None], 4, axis=1)
    preds += rng.normal(0, 1, (len(preds), 4, 1, 1)).astype(np.float32)
    ious, learned = targets_of("positive_classes", scene, preds, gt_labels)
    probabilities = 1 / (1 + np.exp(-preds.astype(np.float64)))
    for r, box in enumerate(scene.boxes):
        best: dict[int, float] = {}
        for g, label in enumerate(gt_labels):
            if label != gt_labels[scene.inds[r]] and area_inside(scene.masks[g], box) > 0:
                iou = brute_force.mask_iou(probabilities[r, label], box, scene.masks[g])
                best[label] = max(best.get(label, 0.0), iou)
        best[gt_labels[scene.inds[r]]] = 0.9
        assert set(np.flatnonzero(learned[r])) == set(best)
        for label in range(4):
            assert ious[r, label] == pytest.approx(best.get(label, 0.0), abs=TOLERANCE)


def area_inside(mask: np.ndarray, box: np.ndarray) -> float:
    """Sums the pixels of a mask inside a box, each weighted by the part that the box covers."""

    def covered(count: int, low: float, high: float) -> np.ndarray:
        starts = np.arange(count)
        return np.clip(np.minimum(starts + 1, high) - np.maximum(starts, low), 0, None)

    x1, y1, x2, y2 = (float(value) for value in box)
    return float(covered(mask.shape[0], y1, y2) @ mask @ covered(mask.shape[1], x1, x2))
