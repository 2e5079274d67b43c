"""Tests demo scenes: deterministic, modal, and hard in the ways that they should be."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msrcnn_mm.demo.scenes import MIN_VISIBLE_PIXELS, MIN_VISIBLE_SHARE, Scene, draw_scene
from msrcnn_mm.demo.shapes import CLASSES, SHAPES, Pen


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [draw_scene(128, np.random.default_rng([7, index])) for index in range(40)]


def _silhouette(label: int, thinness: float, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    pen = Pen(100, np.array([50.0, 50.0]), 40.0, rng)
    SHAPES[CLASSES[label]][0](pen, thinness, rng)
    return pen.body


@settings(max_examples=15, deadline=None)
@given(size=st.integers(64, 160), seed=st.integers(0, 2**32))
def test_any_size_and_seed_draws_the_same_modal_scene_twice(size: int, seed: int) -> None:
    scene = draw_scene(size, np.random.default_rng(seed))
    again = draw_scene(size, np.random.default_rng(seed))

    assert scene.image.shape == (size, size, 3) and scene.image.dtype == np.uint8
    assert np.array_equal(scene.image, again.image)
    assert 1 <= len(scene.instances) <= 5
    cover = np.zeros((size, size), int)
    for instance, twin in zip(scene.instances, again.instances, strict=True):
        assert np.array_equal(instance.mask, twin.mask)
        cover += instance.mask
        visible = instance.mask.sum()
        assert visible >= MIN_VISIBLE_PIXELS
        assert visible >= MIN_VISIBLE_SHARE * instance.full_area
    assert cover.max() <= 1


def test_every_class_is_drawn_about_as_often(scenes: list[Scene]) -> None:
    labels = [instance.label for scene in scenes for instance in scene.instances]
    counts = np.bincount(labels, minlength=len(CLASSES))
    assert counts.min() > 0.4 * counts.mean()


@pytest.mark.parametrize("label", range(len(CLASSES)), ids=CLASSES)
def test_thinness_thins_every_shape(label: int) -> None:
    areas = [(_silhouette(label, thinness) > 0).sum() for thinness in (0.0, 0.5, 1.0)]
    assert areas[0] > 1.1 * areas[1] > 1.21 * areas[2] > 0


@pytest.mark.parametrize(("name", "holes"), [("ring", {1}), ("window", {2, 4})])
@pytest.mark.parametrize("thinness", [0.0, 1.0])
def test_rings_and_windows_have_holes(name: str, holes: set[int], thinness: float) -> None:
    found = set()
    for seed in range(8):
        body = _silhouette(CLASSES.index(name), thinness, seed)
        _, hierarchy = cv2.findContours(body, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        found.add(int((hierarchy[0, :, 3] >= 0).sum()))
    assert found == holes


def test_instances_cover_one_another_also_within_a_class(scenes: list[Scene]) -> None:
    covered = sum(
        instance.mask.sum() < 0.95 * instance.full_area
        for scene in scenes
        for instance in scene.instances
    )
    assert covered > 0.15 * sum(len(scene.instances) for scene in scenes)
    # Twins have one surface and thus the same camouflage.
    pairs = [
        (one.label, one.camouflage) == (other.label, other.camouflage)
        for scene in scenes
        for k, one in enumerate(scene.instances)
        for other in scene.instances[:k]
    ]
    assert sum(pairs) > 6


def test_camouflage_takes_the_contrast_from_the_outline(scenes: list[Scene]) -> None:
    camouflage, contrast = [], []
    for scene in scenes:
        taken = np.any([instance.mask for instance in scene.instances], axis=0)
        for instance in scene.instances:
            inside = instance.mask.astype(np.uint8)
            outside = cv2.dilate(inside, np.ones((7, 7), np.uint8)).astype(bool) & ~taken
            if outside.sum() < 50:
                continue
            colours = scene.image[instance.mask].mean(axis=0), scene.image[outside].mean(axis=0)
            camouflage.append(instance.camouflage)
            contrast.append(np.linalg.norm(colours[0] - colours[1]))
    hidden = np.array(camouflage) > 0.8
    plain = np.array(camouflage) < 0.2
    assert np.mean(np.array(contrast)[hidden]) < 0.65 * np.mean(np.array(contrast)[plain])


def test_class_colour_shows_however_well_the_outline_hides(scenes: list[Scene]) -> None:
    for scene in scenes:
        for instance in scene.instances:
            if instance.mask.sum() < instance.full_area:
                continue  # its marks may be covered
            colour = np.array(SHAPES[CLASSES[instance.label]][1])
            distances = np.abs(scene.image[instance.mask].astype(int) - colour).max(axis=1)
            assert (distances < 30).sum() >= 3
