"""Tests of fitting a calibration, its file, and applying it to results."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.errors import UserError
from msrcnn_mm.evaluation.evaluate import evaluate_scores
from msrcnn_mm.rescoring.calibration_file import METHODS, read_calibration
from msrcnn_mm.rescoring.calibrators.temperature import Temperature
from msrcnn_mm.rescoring.fitting import add_calibrated_scores, fit_calibration
from tests.support.coco_scenes import as_coco, random_scene

IMAGES = 6
ANNOTATIONS, ROWS = random_scene(3, IMAGES)
DETECTIONS = Detections.from_rows(ROWS)
COCO = as_coco(ANNOTATIONS, IMAGES)


def fit(method: str = "isotonic", score: str = "mask_score"):
    return fit_calibration(method, score, DETECTIONS, COCO, "gt.json")


@pytest.mark.parametrize("score", ("class_score", "mask_score", "maskness"))
@pytest.mark.parametrize("method", METHODS)
def test_a_written_calibration_is_read_unchanged(method: str, score: str, tmp_path: Path) -> None:
    calibration = fit(method, score)
    calibration.write(tmp_path / "calibration.json")
    again = read_calibration(tmp_path / "calibration.json")
    assert again == calibration
    scores = [add_calibrated_scores(c, DETECTIONS).calibrated_scores for c in (again, calibration)]
    assert scores[0] is not None and scores[1] is not None
    assert scores[0].tolist() == scores[1].tolist()


@pytest.mark.parametrize("score", ("class_score", "mask_score", "maskness"))
def test_it_is_fitted_to_the_matched_ious(score: str) -> None:
    """Isotonic regression leaves no mean error in any level stretch of its curve."""
    calibrated = add_calibrated_scores(fit("isotonic", score), DETECTIONS)
    matched = evaluate_scores(COCO, DETECTIONS).detections.matched_ious[score]
    values = calibrated.calibrated_scores
    assert values is not None
    counts = ~np.isnan(matched)
    for level in np.unique(values.round(4)):
        here = counts & (values.round(4) == level)
        if here.any():
            assert matched[here].mean() == pytest.approx(level, abs=1e-3)


def test_a_temperature_is_that_of_scores_and_matched_ious() -> None:
    matched = evaluate_scores(COCO, DETECTIONS).detections.matched_ious["class_score"]
    counts = ~np.isnan(matched)
    scores = DETECTIONS.class_scores
    expected = Temperature.fit(scores[counts], matched[counts])
    assert fit("temperature", "class_score").calibrator == expected


@pytest.mark.parametrize("method", ["isotonic", "temperature"])
@pytest.mark.parametrize("score", ("class_score", "mask_score", "maskness"))
def test_a_curve_does_not_change_ap(method: str, score: str) -> None:
    calibrated = add_calibrated_scores(fit(method, score), DETECTIONS)
    rankings = evaluate_scores(COCO, calibrated).rankings
    assert rankings["calibrated_score"].ap == rankings[score].ap
    assert rankings["calibrated_score"].ar == rankings[score].ar


def test_other_fields_stay() -> None:
    for before, after in zip(ROWS, add_calibrated_scores(fit(), DETECTIONS).to_rows(), strict=True):
        assert {k: v for k, v in after.items() if k != "calibrated_score"} == before


def test_the_images_it_was_fitted_on_are_refused() -> None:
    calibration = fit()
    with pytest.raises(UserError, match=r"6 of the 6 images, 0\.png for one.*--same-images"):
        calibration.refuse_same_images(COCO)
    others, _ = random_scene(4, IMAGES)  # of the same names and ids, but other objects
    for one in others:
        one["id"] += 1000
    mixed = [a for a in ANNOTATIONS if a["image_id"] < 12] + [
        a for a in others if a["image_id"] >= 12
    ]
    filled = {a["image_id"] for a in others} & {a["image_id"] for a in ANNOTATIONS}
    assert len(filled & {12, 13, 14, 15}) >= 2
    calibration.refuse_same_images(as_coco([a for a in others if a["image_id"] in filled], 0))
    with pytest.raises(UserError, match="of the 6 images"):
        calibration.refuse_same_images(as_coco(mixed, IMAGES))


def test_a_score_that_is_not_there() -> None:
    plain = replace(DETECTIONS, mask_ious=None, mask_scores=None, foreground_probs=None)
    with pytest.raises(UserError, match=r"have no mask score: .* --score class_score$"):
        fit_calibration("isotonic", "mask_score", plain, COCO, "gt.json")
    with pytest.raises(UserError, match="have no mask score"):
        add_calibrated_scores(fit(), plain)
    assert fit_calibration("isotonic", "class_score", plain, COCO, "gt.json").detections


def test_scores_out_of_range() -> None:
    loud = replace(DETECTIONS, class_scores=2 * DETECTIONS.class_scores)
    with pytest.raises(UserError, match=r"detection \d+ has a class score, .* outside \[0, 1\]"):
        fit_calibration("isotonic", "class_score", loud, COCO, "gt.json")


def test_nothing_to_fit_to() -> None:
    with pytest.raises(UserError, match="no detections"):
        fit_calibration("isotonic", "class_score", Detections.from_rows([]), COCO, "gt.json")
    assert len(add_calibrated_scores(fit(), Detections.from_rows([]))) == 0


def changed(content: dict[str, Any], *path: str, value: Any = None) -> dict[str, Any]:
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
        (("format",), "msrcnn_mm calibration 9", "not a calibration of this version"),
        (("method",), "magic", "damaged calibration"),
        (("score",), "fame", "score must be one of .*, not 'fame'"),
        (("parameters", "ious"), None, "damaged calibration"),
        (("parameters", "ious"), ["a"], "as many scores as IoUs"),
        (("parameters", "scores"), [0.5], "as many scores as IoUs"),
        (("fitted_on", "images"), 5, "damaged calibration"),
        (("fitted_on",), None, "damaged calibration"),
    ],
)
def test_a_damaged_file_is_one_line(
    path: tuple[str, ...], value: Any, message: str, tmp_path: Path
) -> None:
    file = tmp_path / "calibration.json"
    fit().write(file)
    file.write_text(json.dumps(changed(json.loads(file.read_text()), *path, value=value)))
    with pytest.raises(UserError, match=message) as caught:
        read_calibration(file)
    assert str(file) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["[]", "{", '"a"'])
def test_files_that_are_not_calibrations(content: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(UserError, match=r"x\.json"):
        read_calibration(tmp_path / "x.json")
    with pytest.raises(UserError, match="cannot read"):
        read_calibration(tmp_path / "none.json")
