"""Tiles of an image, and masks that their seams cut."""

from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pycocotools.mask as mask_utils
import pytest
from numpy.typing import NDArray

from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.engine.predict.predictor import Predictor
from msrcnn_mm.engine.predict.tiles import Tile, joined, tiles_of
from msrcnn_mm.evaluation.overlaps import mask_areas
from msrcnn_mm.rescoring.features.collect import features_of
from msrcnn_mm.rescoring.rescored import Rescored
from msrcnn_mm.runtime.chosen import Choice
from msrcnn_mm.runtime.inputs import Image
from tests.support.coco_scenes import encode

HEIGHT, WIDTH = 100, 160


@pytest.mark.parametrize("side", [32, 50, 99, 100, 159])
def test_tiles_cover_the_image_and_overlap(side: int) -> None:
    tiles = tiles_of(HEIGHT, WIDTH, side)
    seen = np.zeros((HEIGHT, WIDTH), int)
    for left, top, right, bottom in tiles:
        seen[top:bottom, left:right] += 1
        assert (right - left, bottom - top) == (min(side, WIDTH), min(side, HEIGHT))
    assert seen.min() == 1
    for axis in (0, 1):
        starts = sorted({(tile.left, tile.top)[axis] for tile in tiles})
        assert all(b - a <= 0.8 * side + 1 for a, b in pairwise(starts))
    assert (
        tiles_of(HEIGHT, WIDTH, None) == tiles_of(HEIGHT, WIDTH, 200) == [Tile(0, 0, WIDTH, HEIGHT)]
    )


def detect(tile: Tile, objects: list[tuple[int, NDArray[np.bool_]]], score: float) -> Detections:
    """Detects what a tile shows of objects, each a category and a mask of the image."""
    left, top, right, bottom = tile
    crops = [(category, mask[top:bottom, left:right]) for category, mask in objects]
    found = [(category, encode(mask)) for category, mask in crops if mask.any()]
    return Detections(
        image_ids=[7] * len(found),
        category_ids=[category for category, _ in found],
        class_scores=np.full(len(found), score),
        masks=[rle for _, rle in found],
        boxes=np.array([mask_utils.toBbox(rle) for _, rle in found]).reshape(-1, 4),
        mask_ious=np.array([mask_utils.area(rle) / 1e5 for _, rle in found]),
    )


def box(top: int, bottom: int, left: int, right: int) -> NDArray[np.bool_]:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[top:bottom, left:right] = True
    return mask


@pytest.mark.parametrize("side", [40, 64, 90])
def test_objects_that_seams_cut_are_whole_again(side: int) -> None:
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    ring = (rows - 50) ** 2 + (columns - 80) ** 2
    objects = [
        (1, box(5, 12, 0, WIDTH)),  # longer than any tile
        (1, box(14, 30, 60, 64)),
        (2, box(14, 30, 60, 64)),  # the same mask of another class stays another object
        (2, (ring < 30**2) & (ring > 15**2)),
        (1, box(90, 100, 150, 160)),
    ]
    tiles = tiles_of(HEIGHT, WIDTH, side)
    parts = [detect(tile, objects, 0.5 + number / 100) for number, tile in enumerate(tiles)]
    whole = joined(tiles, parts, HEIGHT, WIDTH)
    expected = sorted((category, encode(mask)["counts"]) for category, mask in objects)
    found = [(c, rle["counts"]) for c, rle in zip(whole.category_ids, whole.masks, strict=True)]
    assert sorted(found) == expected
    boxes = {tuple(mask_utils.toBbox(encode(mask))) for _, mask in objects}
    assert {tuple(one) for one in whole.boxes} == boxes
    # the class score is that of the largest part
    _, largest = max(
        (part.mask_ious[i], part.class_scores[i])
        for part in parts
        for i, category in enumerate(part.category_ids)
        if category == 2
    )
    assert largest in whole.class_scores


def test_neighbours_in_an_overlap_stay_apart() -> None:
    tiles = tiles_of(HEIGHT, WIDTH, 100)
    objects = [(1, box(top, top + 8, 60, 100)) for top in range(0, 96, 8)]
    parts = [detect(tile, objects, 0.9) for tile in tiles]
    assert len(joined(tiles, parts, HEIGHT, WIDTH)) == len(objects)


def test_tiles_without_detections() -> None:
    tiles = tiles_of(HEIGHT, WIDTH, 100)
    assert len(joined(tiles, [detect(tile, [], 0.9) for tile in tiles], HEIGHT, WIDTH)) == 0


def with_numbers(part: Detections, number: int) -> Detections:
    """Adds to a tile's detections all numbers of the mask's pixels, the ``number``-th of some."""
    value = (0.2, 0.6, 0.9)[number % 3]
    names = ("agreement", "agreed_score", "expected_agreement")
    entry = dict(
        mask_statistics=dict(entropy=value),
        view_agreement=dict(views=["scaled"], **dict.fromkeys(names, value)),
    )
    column = np.full(len(part), value)
    names = ("mask_ious", "mask_scores", "foreground_probs", "agreement_scores", "consensus")
    columns = dict.fromkeys(names, column)
    return replace(part, **columns, extras=[entry] * len(part))


def test_numbers_of_a_joined_mask() -> None:
    """Computed by hand: parts of 24 x 64, 24 x 64 and 24 x 19, of which the first counts most."""
    tiles = tiles_of(HEIGHT, WIDTH, 64)[:3]
    assert [tile.left for tile in tiles] == [0, 48, 96]
    alone = (1, box(0, 4, 4, 10))
    objects = [(1, box(20, 44, 0, 115)), alone]
    parts = [
        with_numbers(detect(tile, objects, (0.5, 0.7, 0.9)[k]), k) for k, tile in enumerate(tiles)
    ]
    other, joint = (joined(tiles, parts, HEIGHT, WIDTH).take([k]) for k in (0, 1))
    mean = (64 * 0.2 + 64 * 0.6 + 19 * 0.9) / (64 + 64 + 19)
    cls = 0.7  # of the two parts of 64 columns the higher
    numbers = {
        "class_scores": cls,
        "mask_ious": mean,
        "foreground_probs": mean,
        "maskness": cls * mean,
        "mask_scores": cls * mean,
        "agreement_scores": cls * mean * mean,
        "consensus": np.sqrt(cls * mean) * mean,
    }
    for name, value in numbers.items():
        assert getattr(joint, name) == pytest.approx(value), name
    (extra,) = joint.extras
    assert extra["view_agreement"].pop("views") == ["scaled"]
    values = [*extra["view_agreement"].values(), extra["mask_statistics"]["entropy"]]
    assert values == pytest.approx([mean] * 4)
    # a mask that no seam cuts keeps what the detector gave it
    for name in ("mask_ious", "mask_scores", "foreground_probs", "agreement_scores", "consensus"):
        assert getattr(other, name) == 0.2, name


def test_shapes_are_of_the_joined_mask() -> None:
    tiles = tiles_of(HEIGHT, WIDTH, 64)
    objects = [(1, box(20, 44, 30, 130)), (1, box(60, 80, 10, 20))]
    parts = [with_numbers(detect(tile, objects, 0.5 + k / 100), k) for k, tile in enumerate(tiles)]
    whole = joined(tiles, parts, HEIGHT, WIDTH)
    assert len(whole) == 2
    found = features_of(whole)
    alone = detect(Tile(0, 0, WIDTH, HEIGHT), objects, 0.5)
    expected = features_of(alone.take([alone.masks.index(rle) for rle in whole.masks]))
    of_scores = ("class_score", "maskness", "mask_iou", "rank", "rank_same")
    shapes = [name for name in expected.names if name not in of_scores]
    assert {"log_area", "box_iou", "edge_distance", "perimeter", "count"} <= {*shapes}
    for name in shapes:
        one, other = (f.values[:, f.names.index(name)] for f in (found, expected))
        assert one == pytest.approx(other), name


def test_joined_masks_are_scored_anew() -> None:
    def score(detections: Detections) -> Rescored:
        return Rescored(mask_areas(detections.masks) / 1e5, None, None)

    predictor = Predictor.__new__(Predictor)
    predictor.inferencer = SimpleNamespace(rescorer=SimpleNamespace(score=score))
    predictor._side, predictor._pictures, predictor._choice = 64, None, Choice(None, 0.3)
    tiles = tiles_of(HEIGHT, WIDTH, 64)
    parts = [detect(tile, [(1, box(20, 44, 30, 130))], 0.5) for tile in tiles]
    parts = [replace(part, rescored_scores=score(part).scores) for part in parts]
    image = Image("a.png", np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    (row,) = predictor._record(image, 7, parts)["detections"]
    assert row["rescored_score"] == 24 * 100 / 1e5
