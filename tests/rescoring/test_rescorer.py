"""Tests re-scorers from the fit to the file and back."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO

from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.coco.runs import mirror
from msrcnn_mm.errors import UserError
from msrcnn_mm.evaluation.average_precision import average_precisions
from msrcnn_mm.evaluation.protocol import coco_protocol
from msrcnn_mm.rescoring.features.views import View
from msrcnn_mm.rescoring.rescorer import Rescorer, read_rescorer
from msrcnn_mm.rescoring.rescorer_fit import fit_rescorer, targets_of
from tests.support.coco_scenes import as_coco, random_scene, worked_scene


def scene(seed: int, images: int = 40) -> tuple[COCO, Detections]:
    """Returns annotations and results whose class scores say nothing and s_iou much."""
    annotations, rows = random_scene(seed, images, most=8)
    coco = as_coco(annotations, images)
    rng = np.random.default_rng(seed)
    detections = Detections.from_rows(rows)
    targets = targets_of(coco, detections, coco_protocol(coco))
    noisy = np.nan_to_num(targets.tp_shares) + rng.normal(0, 0.2, len(rows))
    return coco, replace(
        detections, mask_ious=np.clip(noisy, 0, 1), mask_scores=None, foreground_probs=None
    )


def flipped(detections: Detections) -> View:
    assert detections.masks is not None
    return View("f.json", replace(detections, masks=mirror(detections.masks)), mirrored=True)


@pytest.fixture(scope="module")
def fitted() -> Rescorer:
    coco, detections = scene(0)
    return fit_rescorer(detections, coco, "gt.json", [flipped(detections)])


def test_targets_of_three_masks() -> None:
    coco, rows = worked_scene()  # IoU 1, IoU 0.5, a false alarm
    targets = targets_of(coco, Detections.from_rows(rows), coco_protocol(coco))
    assert targets.tp_shares.tolist() == [1, 0.1, 0]
    assert targets.ious.tolist() == [1, 0.5, 0]
    assert targets.correct.tolist() == [1, 1, 0]


def test_it_ranks_better_than_the_class_score(fitted: Rescorer) -> None:
    coco, detections = scene(1)
    rescored = fitted.apply(detections, [flipped(detections)])
    protocol = coco_protocol(coco)
    before, after = (
        average_precisions(coco, detections, scores, protocol)[0]
        for scores in (detections.class_scores, rescored.scores)
    )
    assert after > before + 0.05


def test_its_numbers_mean_what_they_say(fitted: Rescorer) -> None:
    coco, detections = scene(2, images=80)
    rescored = fitted.apply(detections, [flipped(detections)])
    targets = targets_of(coco, detections, coco_protocol(coco))
    for found, truth in (
        (rescored.scores, targets.tp_shares),
        (rescored.ious, targets.ious),
        (rescored.precisions, targets.correct),
    ):
        assert ((found >= 0) & (found <= 1)).all()
        assert found.mean() == pytest.approx(np.nanmean(truth), abs=0.06)
    order = np.argsort(rescored.scores)
    assert (np.diff(rescored.ious[order]) >= 0).all()
    assert (np.diff(rescored.precisions[order]) >= 0).all()


def test_the_same_after_writing_and_reading(fitted: Rescorer, tmp_path: Path) -> None:
    _, detections = scene(1)
    fitted.write(tmp_path / "r.json")
    back = read_rescorer(tmp_path / "r.json")
    views = [flipped(detections)]
    assert (back.apply(detections, views).scores == fitted.apply(detections, views).scores).all()
    assert back.names == fitted.names and back.images == fitted.images
    assert back.views == ["mirrored"]


def test_masks_and_scores_alone_are_enough() -> None:
    coco, detections = scene(0)
    bare = replace(detections, boxes=None, mask_ious=None)
    rescorer = fit_rescorer(bare, coco, "gt.json")
    assert "box_iou" not in rescorer.names and "consensus" not in rescorer.names
    _, others = scene(1)
    assert len(rescorer.apply(others).scores) == len(others)  # more than it needs is no error


@pytest.mark.parametrize(
    ("change", "views", "message"),
    [
        ({}, 0, "fitted with 1 mirrored view, and here are no views"),
        ({}, 2, "fitted with 1 mirrored view, and here are 2 mirrored views"),
        ({"mask_ious": None}, 1, "lack mask_iou, which the re-scorer was fitted with"),
        ({"boxes": None}, 1, "lack box_fill, box_iou"),
        ({"category_ids": 5}, 1, "not fitted on category 5"),
        ({"class_scores": 0.9}, 1, "another detector or score threshold .* class scores"),
    ],
)
def test_other_results_are_refused(
    fitted: Rescorer, change: dict[str, Any], views: int, message: str
) -> None:
    _, detections = scene(1)
    for name, value in change.items():
        if name == "category_ids":
            change = {name: [value] * len(detections)}
        elif value is not None:
            change = {name: np.full(len(detections), value)}
    other = replace(detections, **change)
    with pytest.raises(UserError, match=message) as caught:
        fitted.apply(other, [flipped(other)] * views)
    assert "\n" not in str(caught.value)


def test_images_fitted_on_are_refused_unless_told(fitted: Rescorer) -> None:
    _, detections = scene(0)
    with pytest.raises(UserError, match=r"images are among those .* \(gt\.json\)"):
        fitted.apply(detections, [flipped(detections)])
    rescored = fitted.apply(detections, [flipped(detections)], same_images=True)
    assert len(rescored.scores) == len(detections)


def test_what_cannot_be_fitted_to() -> None:
    coco, detections = scene(0)
    few_coco, few = scene(0, images=9)
    for annotations, results, message in (
        (few_coco, few, "labelled images: a re-scorer needs at least 10"),
        (coco, Detections.from_rows([]), "no detections to re-score"),
        (coco, replace(detections, masks=None), "no 'segmentation'"),
        (coco, replace(detections, class_scores=np.ones(len(detections))), "from 1 to 1"),
        (coco, replace(detections, class_scores=detections.class_scores * 90), "in \\[0, 1\\]"),
        (as_coco([], 40), detections, "no mask matches an instance"),
    ):
        with pytest.raises(UserError, match=message) as caught:
            fit_rescorer(results, annotations, "gt.json")
        assert "\n" not in str(caught.value)


def changed(content: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    inner = content
    for key in path[:-1]:
        inner = inner[key]
    if value is None:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return content


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("format",), "msrcnn_mm re-scorer 9", "not a re-scorer of this version"),
        (("features",), [1], "features are not a list of names"),
        (("features",), ["class_score"], "trees are damaged"),
        (("trees",), [], "damaged re-scorer"),
        (("trees",), [{}], "trees are damaged"),
        (("trees",), 5, "damaged re-scorer"),
        (("views",), "mirrored", "views are not a list"),
        (("iou_curve", "scores"), [0.5, 0.1], "isotonic curve"),
        (("iou_curve", "more"), 1, "damaged re-scorer"),
        (("precision_curve",), None, "damaged re-scorer"),
        (("detector", "score_quantiles"), ["a"], "damaged re-scorer"),
        (("detector", "detections_per_image"), "many", "damaged re-scorer"),
        (("fitted_on", "categories"), [[1]], "categories are not a list"),
        (("fitted_on", "images"), [1], "images are not a list"),
        (("fitted_on",), None, "damaged re-scorer"),
    ],
)
def test_a_damaged_file_is_one_line(
    fitted: Rescorer, path: tuple[str, ...], value: Any, message: str, tmp_path: Path
) -> None:
    file = tmp_path / "r.json"
    fitted.write(file)
    file.write_text(json.dumps(changed(json.loads(file.read_text()), path, value)))
    with pytest.raises(UserError, match=message) as caught:
        read_rescorer(file)
    assert str(file) in str(caught.value) and "\n" not in str(caught.value)
