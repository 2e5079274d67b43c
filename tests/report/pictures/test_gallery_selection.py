"""What the gallery shows: the mask score's good days and its bad ones."""

import numpy as np
import pytest

from msrcnn_mm.report.pictures.gallery_selection import (
    DEMOTED,
    MISJUDGED,
    PROMOTED,
    RANDOM,
    WRONG_WAY,
    places,
    story,
)
from tests.support.coco_scenes import SIDE
from tests.support.report_models import model_of, random_model

SIZES = {10 + i: (SIDE, SIDE) for i in range(99)}


def test_places_are_those_of_a_sorted_list() -> None:
    model = random_model(5)
    found = places(model)
    assert found is not None
    for column, score in ((found.by_class_score, "score"), (found.by_mask_score, "mask_score")):
        for i, d in enumerate(model.detections):
            same = [x for x in model.detections if x["category_id"] == d["category_id"]]
            ranked = sorted(same, key=lambda x: -x[score])
            assert [id(x) for x in ranked].index(id(d)) + 1 == column[i]
            assert found.masks[i] == len(same)


def test_rightly_demoted_is_sure_and_badly_cut() -> None:
    masks: list[tuple[float, int, float | None]] = [(0.9 - 0.01 * i, 40, 1.0) for i in range(12)]
    masks[0] = (0.99, 12, 0.3)
    masks[1] = (0.98, 35, 0.8)  # nearly as far down, and well cut
    examples = story(model_of(masks), SIZES, 12, 0.3, 0)
    example, position = examples[0]
    assert (example.why, position) == (DEMOTED, 0)
    assert example.masks[0].true_iou == pytest.approx(0.3)


def test_rightly_promoted() -> None:
    masks: list[tuple[float, int, float | None]] = [(0.9 - 0.01 * i, 28, 0.7) for i in range(12)]
    masks[-1] = (0.7, 40, 1.0)
    assert (PROMOTED, 11) in [(e.why, i) for e, i in story(model_of(masks), SIZES, 12, 0.3, 0)]


def test_the_other_side_is_shown() -> None:
    masks: list[tuple[float, int, float | None]] = [
        (0.9 - 0.01 * i, 30 + i % 3, 0.75) for i in range(12)
    ]
    masks[6] = (0.84, 40, 0.2)  # the best of them, sent to the end
    masks[9] = (0.81, 10, 0.99)  # the worst, sent to the front
    shown = [(e.why, i) for e, i in story(model_of(masks), SIZES, 12, 0.3, 0)]
    assert {(WRONG_WAY, 6), (WRONG_WAY, 9)} <= set(shown)


def test_the_worst_judged_mask_iou_is_shown() -> None:
    masks: list[tuple[float, int, float | None]] = [(0.9 - 0.01 * i, 32, 0.8) for i in range(12)]
    masks[0] = (0.99, 32, 0.1)
    shown = [(e.why, i) for e, i in story(model_of(masks), SIZES, 12, 0.3, 0)]
    # sent to the end where it does not belong: shown as one or the other, and shown
    assert any(why in (WRONG_WAY, MISJUDGED) and i == 0 for why, i in shown)


def test_a_quarter_is_random_and_each_image_comes_once() -> None:
    model = random_model(1, images=40)
    examples = story(model, SIZES, 12, 0.1, 0)
    assert len(examples) == 12
    assert sum(example.why == RANDOM for example, _ in examples) >= 3
    assert len({example.image_id for example, _ in examples}) == 12
    for example, position in examples:
        assert model.detections[position] is example.masks[0].detection


def test_seed_decides_only_the_random_ones() -> None:
    model = random_model(1, images=40)

    def shown(seed: int) -> list[tuple[str, int]]:
        return [(e.why, i) for e, i in story(model, SIZES, 12, 0.1, seed)]

    assert shown(0) == shown(0) != shown(3)
    chosen = [[entry for entry in shown(seed) if entry[0] != RANDOM] for seed in (0, 3)]
    assert chosen[0] == chosen[1]


def test_threshold_and_number_hold() -> None:
    model = random_model(1, images=40)
    examples = story(model, SIZES, 60, 0.8, 0)
    assert all(m.class_score >= 0.8 for e, _ in examples for m in e.masks)
    assert len(examples) == len({d["image_id"] for d in model.detections if d["score"] >= 0.8})
    assert story(model, SIZES, 12, 1.1, 0) == []
    assert len(story(model, SIZES, 1, 0.1, 0)) == 1


def test_without_mask_scores() -> None:
    model = model_of([(0.9, 20, None), (0.8, 40, None)])
    assert places(model) is None
    examples = story(model, SIZES, 2, 0.3, 0)
    assert examples[0][0].why == "class score far from the truth" and examples[0][1] == 0
    assert np.isclose(examples[0][0].masks[0].true_iou, 0.5)
