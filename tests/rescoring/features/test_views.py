"""Tests that views are brought back, and that results which are no view are refused."""

from dataclasses import replace

import numpy as np
import pytest

from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.coco.runs import mirror
from msrcnn_mm.errors import UserError
from msrcnn_mm.rescoring.features.views import View, check_view, found_again
from tests.support.coco_scenes import encode

IMAGES, A_IMAGE, SIDE = 12, 3, 40


def results(seed: int = 0, shift: int = 0, classes: int = 2) -> Detections:
    """Returns confident masks at random places, ``shift`` columns to the right of those."""
    rng = np.random.default_rng(seed)
    rows = []
    for image_id in range(IMAGES):
        for place in range(A_IMAGE):
            mask = np.zeros((SIDE, SIDE), np.uint8)
            y, x = rng.integers(0, 12), rng.integers(0, 6)
            mask[y + 10 * place : y + 10 * place + 8, x + shift : x + shift + 11] = 1
            category = int(rng.integers(classes))
            row = {"image_id": image_id, "category_id": category, "score": 0.9}
            rows.append(row | {"segmentation": encode(mask)})
    return Detections.from_rows(rows)


def flipped(detections: Detections) -> Detections:
    return replace(detections, masks=mirror(detections.masks))


def test_a_mirrored_view_is_brought_back(capsys):
    back, found = check_view(results(), View("f.json", flipped(results()), mirrored=True))
    assert back.masks == results().masks
    assert back.category_ids == results().category_ids
    assert found == found_again(results(), results())
    back, _ = check_view(results(), View("s.json", results(shift=1)))
    assert back.masks == results(shift=1).masks
    assert capsys.readouterr().err == ""


def test_another_order_of_the_rows_is_fine():
    there = results()
    order = np.random.default_rng(0).permutation(len(there))
    rows = [there.to_rows()[i] for i in order]
    back, _ = check_view(results(), View("s.json", Detections.from_rows(rows)))
    assert len(back) == len(there)


@pytest.mark.parametrize(
    ("view", "message"),
    [
        (View("x.json", flipped(results())), "x.json: 0 of the 36 masks .* without --flipped"),
        (
            View("x.json", results(), mirrored=True),
            "x.json: 0 of the 36 masks .* as mirrored images, which it is not",
        ),
        (
            View("x.json", results(seed=5, shift=20)),
            "x.json: 0 of the 36 masks .* another detector or of other images",
        ),
        (
            View("x.json", replace(results(), image_ids=[i + 2 for i in results().image_ids])),
            "x.json has no detection in 2 of the 12 images",
        ),
        (
            View(
                "x.json", replace(results(), category_ids=[c + 1 for c in results().category_ids])
            ),
            "x.json: .* of the 36 masks that are found again are of the same category, and masks of"
            " .*0 as 1.*: give results with the same category ids",
        ),
        (View("x.json", Detections.from_rows([])), "no detection in 12 of the 12 images"),
        (View("x.json", replace(results(), masks=None)), "no 'segmentation'"),
    ],
)
def test_what_is_no_view_is_refused(view, message):
    with pytest.raises(UserError, match=message) as caught:
        check_view(results(), view)
    assert "\n" not in str(caught.value)


def test_the_number_of_masks_found_again_is_said():
    def first_of(results: Detections, many: int, others: Detections) -> Detections:
        """Returns the detections of the first images, and of the others those of the rest."""
        mine, theirs = results.to_rows(), others.to_rows()
        return Detections.from_rows(mine[: many * A_IMAGE] + theirs[many * A_IMAGE :])

    other = results(seed=5, shift=20)
    with pytest.raises(UserError, match=r"x\.json: 12 of the 36 masks"):
        check_view(results(), View("x.json", first_of(results(), 4, other)))
    check_view(results(), View("x.json", first_of(results(), 5, other)))


def test_images_without_detections_in_a_view_are_counted(capsys):
    rows = [row for row in results().to_rows() if row["image_id"] != 3]
    check_view(results(), View("x.json", Detections.from_rows(rows)))
    assert "x.json has no detection in 1 of the 12 images" in capsys.readouterr().err


def test_masks_of_another_size_are_refused():
    rows = results().to_rows()
    rows[0] |= {"segmentation": encode(np.ones((20, 40), np.uint8))}
    rows = [r for r in rows if r["image_id"] != 0] + rows[:1]
    with pytest.raises(UserError, match=r"image 0 have the height, width \[20, 40\]"):
        check_view(results(), View("x.json", Detections.from_rows(rows)))


def test_classes_that_a_mirror_swaps_are_named_and_paired(capsys):
    swapped = replace(flipped(results()), category_ids=[1 - c for c in results().category_ids])
    view = View("f.json", swapped, mirrored=True)
    assert found_again(results(), view.brought_back()).swapped() == {0: 1, 1: 0}
    check_view(results(), view)
    (line,) = capsys.readouterr().err.splitlines()
    assert "f.json" in line and "0 as 1" in line and "1 as 0" in line

    paired, _ = check_view(results(), replace(view, pairs={0: 1}))
    assert paired.category_ids == results().category_ids
    assert capsys.readouterr().err == ""


def test_few_masks_of_each_class_that_a_mirror_swaps():
    """Too few tell a swap from other category ids, so the message names both."""
    turned = [(c + 6) % 12 for c in results(classes=12).category_ids]
    view = replace(flipped(results(classes=12)), category_ids=turned)
    with pytest.raises(UserError, match=r"same category ids, or the classes .* by --swap"):
        check_view(results(classes=12), View("f.json", view, mirrored=True))
    pairs = {c: c + 6 for c in range(6)}
    back, _ = check_view(results(classes=12), View("f.json", view, mirrored=True, pairs=pairs))
    assert back.category_ids == results(classes=12).category_ids


def test_a_class_that_is_taken_for_another_is_no_swap(capsys):
    taken = replace(flipped(results()), category_ids=[0] * len(results()))
    check_view(results(), View("f.json", taken, mirrored=True))
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("factor", [1, 0.1])
def test_the_best_masks_are_looked_for_whatever_their_scores(factor):
    scores = factor * np.linspace(0.1, 0.9, len(results()))
    unsure = replace(results(), class_scores=scores)
    check_view(unsure, View("x.json", unsure))
    other = replace(results(seed=5, shift=20), class_scores=scores)
    with pytest.raises(UserError, match=r"x.json: 0 of the .* another detector"):
        check_view(unsure, View("x.json", other))


def test_no_detections_tell_nothing():
    nothing = Detections.from_rows([])
    assert found_again(nothing, results()).share == 1


@pytest.mark.parametrize("of_view", [True, False])
def test_scores_outside_0_and_1_are_refused(of_view):
    percent = replace(results(), class_scores=np.full(len(results()), 90.0))
    pair = (results(), percent) if of_view else (percent, results())
    with pytest.raises(UserError, match=r"class scores go from 90 to 90: agreement needs scores"):
        check_view(pair[0], View("x.json", pair[1]))


def test_a_pair_of_unknown_categories_is_refused():
    view = View("f.json", flipped(results()), mirrored=True, pairs={7: 8})
    with pytest.raises(UserError, match=r"--swap 7=8: no detection has .* which are 0, 1"):
        check_view(results(), view)


def test_half_a_pair_of_unknown_categories_is_named(capsys):
    swapped = replace(flipped(results()), category_ids=results().category_ids)
    check_view(results(), View("f.json", swapped, mirrored=True, pairs={1: 9}))
    assert "--swap 1=9: no detection has category 9, only 0, 1: check" in capsys.readouterr().err
