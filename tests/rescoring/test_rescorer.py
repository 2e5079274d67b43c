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
from msrcnn_mm.evaluation.overlaps import find_overlaps
from msrcnn_mm.evaluation.protocol import coco_protocol
from msrcnn_mm.rescoring.features.agreement import with_agreement
from msrcnn_mm.rescoring.features.views import View
from msrcnn_mm.rescoring.fingerprints import DetectorFingerprint, annotation_fingerprints
from msrcnn_mm.rescoring.rescorer import Rescorer, read_rescorer
from msrcnn_mm.rescoring.rescorer_fit import Targets, fit_rescorer, targets_of
from tests.support.coco_scenes import as_coco, random_scene, worked_scene


def found_targets(coco: COCO, detections: Detections) -> Targets:
    protocol = coco_protocol(coco)
    return targets_of(find_overlaps(coco, detections, protocol), detections, protocol)


def scene(seed: int, images: int = 40) -> tuple[COCO, Detections]:
    """Returns annotations and results whose class scores say nothing and s_iou much."""
    annotations, rows = random_scene(seed, images, most=8)
    coco = as_coco(annotations, images)
    rng = np.random.default_rng(seed)
    detections = Detections.from_rows(rows)
    targets = found_targets(coco, detections)
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
    targets = found_targets(coco, Detections.from_rows(rows))
    assert targets.tp_shares.tolist() == [1, 0.1, 0]
    assert targets.ious.tolist() == [1, 0.5, 0]
    assert targets.correct.tolist() == [1, 1, 0]


def test_the_order_of_rows_and_images_makes_no_difference(tmp_path: Path) -> None:
    coco, detections = scene(0)
    order = np.random.default_rng(0).permutation(len(detections))
    # equal class scores count in the order of the file, as in COCO's evaluation
    distinct = replace(detections, class_scores=np.linspace(0.1, 0.9, len(detections))[order])
    shuffled = Detections.from_rows([distinct.to_rows()[i] for i in order])
    for number, one in enumerate((distinct, shuffled)):
        rescorer = fit_rescorer(one, coco, "gt.json", [flipped(one)])
        rescorer.write(tmp_path / f"{number}.json")
    assert (tmp_path / "0.json").read_text() == (tmp_path / "1.json").read_text()


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
    targets = found_targets(coco, detections)
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
    assert back.method.views == ["mirrored"] and back.images == fitted.images


def test_masks_and_scores_alone_are_enough() -> None:
    coco, detections = scene(0)
    bare = replace(detections, boxes=None, mask_ious=None)
    rescorer = fit_rescorer(bare, coco, "gt.json")
    names = rescorer.method.to_json()["features"]
    assert "box_iou" not in names and "consensus" not in names
    _, others = scene(1)
    more = with_agreement(others, [flipped(others)])  # more than it needs is no error
    assert (rescorer.apply(more).scores == rescorer.apply(others).scores).all()
    rescorer.check_model(None, ["mirrored"])
    with pytest.raises(
        UserError, match="fitted with no views, and these results have 1 mirrored view"
    ):
        rescorer.apply(others, [flipped(others)])


@pytest.mark.parametrize(
    ("change", "views", "message"),
    [
        ({}, 0, "fitted with 1 mirrored view, and these results have no views"),
        ({}, 2, "fitted with 1 mirrored view, and these results have 2 mirrored views"),
        ({"mask_ious": None}, 1, "lack mask_iou, which the re-scorer was fitted with"),
        ({"boxes": None}, 1, "lack box_fill, box_iou"),
        ({"category_ids": 5}, 1, "not fitted on category 5"),
        ({"class_scores": 0.9}, 1, "another detector or score threshold .* class scores"),
        ({"class_scores": 90.0}, 1, "class scores go from 90 to 90: .* scores in \\[0, 1\\]"),
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
        (coco, Detections.from_rows([]), "no detections to fit a re-scorer to"),
        (coco, replace(detections, masks=None), "no 'segmentation'"),
        (coco, replace(detections, class_scores=np.ones(len(detections))), "from 1 to 1"),
        (coco, replace(detections, class_scores=detections.class_scores * 90), "in \\(0, 1\\)"),
        (coco, replace(detections, class_scores=detections.class_scores.round()), "in \\(0, 1\\)"),
        (as_coco([], 40), detections, "no mask matches an instance"),
    ):
        with pytest.raises(UserError, match=message) as caught:
            fit_rescorer(results, annotations, "gt.json")
        assert "\n" not in str(caught.value)


def test_categories_of_other_names_are_refused(fitted: Rescorer) -> None:
    coco, _ = scene(1)
    fitted.refuse_other_names(coco)
    first = fitted.categories[0]
    coco.cats[first]["name"] = "another"
    with pytest.raises(UserError, match=f"category {first} as '.*', which is 'another' here"):
        fitted.refuse_other_names(coco)


def test_few_images_do_not_tell_the_detector(fitted: Rescorer) -> None:
    _, detections = scene(1)
    sure = replace(detections, class_scores=np.full(len(detections), 0.9))
    assert fitted.detector_difference(detections) is None
    assert "another detector" in str(fitted.detector_difference(sure))
    few = [one for one in sure.to_rows() if one["image_id"] in sorted(set(sure.image_ids))[:9]]
    assert fitted.detector_difference(Detections.from_rows(few)) is None


def test_another_threshold_is_known_before_the_results(fitted: Rescorer) -> None:
    scores = [number / 20 for number in range(21)]
    known = replace(fitted, detector=DetectorFingerprint(scores, 9.0))
    known.check_threshold(0.35)
    with pytest.raises(UserError, match=r"which 50% of those that .* lower model\.test_cfg\.rcnn"):
        known.check_threshold(0.5)
    replace(fitted, detector=None).check_threshold(1.0)


def test_detections_without_a_feature_are_scored_by_the_others(fitted: Rescorer) -> None:
    _, detections = scene(1)
    assert detections.mask_ious is not None
    lacking = np.arange(len(detections)) % 3 == 0
    some = replace(detections, mask_ious=np.where(lacking, np.nan, detections.mask_ious))
    whole, found = (fitted.apply(one, [flipped(one)]).scores for one in (detections, some))
    assert ((found >= 0) & (found <= 1)).all()
    assert (found[~lacking] == whole[~lacking]).all()
    assert (found[lacking] != whole[lacking]).any()


def test_a_class_missing_from_the_fit_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    coco, detections = scene(0)
    first = detections.category_ids[0]
    rows = [row for row in detections.to_rows() if row["category_id"] != first]
    rescorer = fit_rescorer(Detections.from_rows(rows), coco, "gt.json")
    warning = capsys.readouterr().err
    name = coco.cats[first]["name"]
    assert f"classes have no detection to fit to ({name}): theirs are scored as those" in warning
    _, others = scene(1)
    assert len(rescorer.apply(others).scores) == len(others)
    instances = [one for one in coco.anns.values() if one["category_id"] != first]
    bare = as_coco(instances, 40)
    fit_rescorer(detections, bare, "gt.json", method="isotonic")
    warning = capsys.readouterr().err
    assert f"1 of {len(coco.cats)} classes have detections and no instance ({name}): all" in warning


def test_files_of_before(fitted: Rescorer, tmp_path: Path) -> None:
    """Re-scorers without a method are of trees; calibrations have no detector and no curves."""
    file = tmp_path / "r.json"
    fitted.write(file)
    content = json.loads(file.read_text())
    del content["method"]
    file.write_text(json.dumps(content))
    assert read_rescorer(file).method.to_json() == fitted.method.to_json()

    coco, detections = scene(0)
    calibration = {
        "format": "msrcnn_mm calibration 1",
        "method": "exponents",
        "score": "class_score",
        "parameters": {"exponents": [2.0]},
        "fitted_on": {
            "annotations": "gt.json",
            "detections": 9,
            "images": sorted(annotation_fingerprints(coco, coco.imgs)),
        },
    }
    file.write_text(json.dumps(calibration))
    old = read_rescorer(file)
    rescored = old.apply(detections)
    assert rescored.scores == pytest.approx(detections.class_scores**2)
    assert rescored.ious is None and list(rescored.columns()) == ["rescored_scores"]
    assert old.detector is None and old.classes is None
    with pytest.raises(UserError, match=r"fitted on \(gt\.json\)"):
        old.refuse_same_images(coco, coco.imgs)
    old.check_model(["any"], ["mirrored"])
    old.write(file)
    assert read_rescorer(file) == old


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
        (("method",), "magic", "method must be one of trees, .*, not 'magic'"),
        (("features",), ["class_score"], "trees are damaged"),
        (("features",), ["class_score", "class_score"], "a feature is named twice"),
        (("trees",), [], "damaged re-scorer"),
        (("trees",), [{}], "its trees are damaged: 'features' is missing$"),
        (("trees",), [{"features": [[1], 2], "thresholds": []}], "they are not lists of numbers$"),
        (("trees",), 5, "damaged re-scorer"),
        (("views",), "mirrored", "views are not a list"),
        (("iou_curve", "scores"), [0.5, 0.1], "isotonic curve"),
        (("iou_curve", "more"), 1, r"damaged re-scorer \(a value is of another kind\): fit it"),
        (("precision_curve",), None, r"damaged re-scorer \('precision_curve' is missing\): fit it"),
        (("detector", "score_quantiles"), ["a"], "damaged re-scorer"),
        (("detector", "score_quantiles"), ["0.5"] * 21, "damaged re-scorer"),
        (("detector", "detections_per_image"), "many", "damaged re-scorer"),
        (("fitted_on", "categories"), [[1]], "categories are not a list"),
        (("fitted_on", "detections"), 1e400, r"re-scorer \(detections are not an integer\): fit"),
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


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("score",), "fame", "score must be one of .*, not 'fame'"),
        (("parameters", "ious"), None, "damaged re-scorer"),
        (("parameters", "ious"), ["a"], "as many scores as IoUs"),
        (("parameters", "scores"), [0.5], "as many scores as IoUs"),
        (("fitted_on", "images"), 5, "damaged re-scorer"),
        (("fitted_on",), None, "damaged re-scorer"),
    ],
)
def test_a_damaged_calibration_is_one_line(
    path: tuple[str, ...], value: Any, message: str, tmp_path: Path
) -> None:
    content = {
        "format": "msrcnn_mm calibration 1",
        "method": "isotonic",
        "score": "mask_score",
        "parameters": {"scores": [0.1, 0.9], "ious": [0.2, 0.8]},
        "fitted_on": {"annotations": "gt.json", "detections": 9, "images": []},
    }
    file = tmp_path / "c.json"
    file.write_text(json.dumps(content))
    assert read_rescorer(file).detections == 9
    file.write_text(json.dumps(changed(content, path, value)))
    with pytest.raises(UserError, match=message) as caught:
        read_rescorer(file)
    assert str(file) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["[]", "{", '"a"'])
def test_files_that_are_not_rescorers(content: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(UserError, match=r"x\.json"):
        read_rescorer(tmp_path / "x.json")
    with pytest.raises(UserError, match="cannot read"):
        read_rescorer(tmp_path / "none.json")
