"""Tests of re-scorers that correct one score, from the fit to the file and back."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.errors import UserError
from msrcnn_mm.evaluation.evaluate import evaluate_scores
from msrcnn_mm.rescoring.calibrators.calibrated_score import CALIBRATORS, CalibratedScore
from msrcnn_mm.rescoring.calibrators.temperature import Temperature
from msrcnn_mm.rescoring.features.agreement import with_agreement
from msrcnn_mm.rescoring.features.views import View
from msrcnn_mm.rescoring.rescorer import Rescorer, read_rescorer
from msrcnn_mm.rescoring.rescorer_fit import cross_fit_calibrator, fit_rescorer
from tests.support.coco_scenes import as_coco, random_scene

IMAGES = 6
ANNOTATIONS, ROWS = random_scene(3, IMAGES)
DETECTIONS = Detections.from_rows(ROWS)
COCO = as_coco(ANNOTATIONS, IMAGES)


def fit(method: str = "isotonic", score: str = "mask_score") -> Rescorer:
    return fit_rescorer(DETECTIONS, COCO, "gt.json", method=method, score=score)


@pytest.mark.parametrize("score", ("class_score", "mask_score", "maskness"))
@pytest.mark.parametrize("method", CALIBRATORS)
def test_a_written_calibration_is_read_unchanged(method: str, score: str, tmp_path: Path) -> None:
    calibration = fit(method, score)
    calibration.write(tmp_path / "calibration.json")
    again = read_rescorer(tmp_path / "calibration.json")
    assert again == calibration
    found, expected = (one.score(DETECTIONS).columns() for one in (again, calibration))
    assert list(found) == ["rescored_scores", "expected_ious", "expected_precisions"]
    assert all((found[name] == expected[name]).all() for name in found)


@pytest.mark.parametrize("score", ("class_score", "mask_score", "maskness"))
def test_it_is_fitted_to_the_matched_ious(score: str) -> None:
    """Isotonic regression leaves no mean error in any level stretch of its curve."""
    values = fit("isotonic", score).score(DETECTIONS).scores
    matched = evaluate_scores(COCO, DETECTIONS).detections.matched_ious[score]
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
    assert fit("temperature", "class_score").method == CalibratedScore(
        "temperature", "class_score", expected
    )


@pytest.mark.parametrize("method", ["isotonic", "temperature"])
@pytest.mark.parametrize("score", ("class_score", "mask_score", "maskness"))
def test_a_curve_does_not_change_ap(method: str, score: str) -> None:
    calibrated = fit(method, score).score(DETECTIONS).added_to(DETECTIONS)
    rankings = evaluate_scores(COCO, calibrated).rankings
    assert rankings["rescored_score"].ap == rankings[score].ap
    assert rankings["rescored_score"].ar == rankings[score].ar


def test_the_images_it_was_fitted_on_are_refused() -> None:
    calibration = fit()
    with pytest.raises(UserError, match=r"6 of the 6 images, 0\.png for one.*--same-images"):
        calibration.refuse_same_images(COCO, COCO.imgs)
    others, _ = random_scene(4, IMAGES)  # of the same names and ids, but other objects
    for one in others:
        one["id"] += 1000
    mixed = [a for a in ANNOTATIONS if a["image_id"] < 12] + [
        a for a in others if a["image_id"] >= 12
    ]
    filled = {a["image_id"] for a in others} & {a["image_id"] for a in ANNOTATIONS}
    assert len(filled & {12, 13, 14, 15}) >= 2
    new = as_coco([a for a in others if a["image_id"] in filled], 0)
    calibration.refuse_same_images(new, new.imgs)
    some = as_coco(mixed, IMAGES)
    with pytest.raises(UserError, match="of the 6 images"):
        calibration.refuse_same_images(some, some.imgs)


def test_a_score_that_is_not_there() -> None:
    plain = replace(DETECTIONS, mask_ious=None, mask_scores=None, foreground_probs=None)
    with pytest.raises(UserError, match=r"have no mask score: .* --score class_score$"):
        fit_rescorer(plain, COCO, "gt.json", method="isotonic", score="mask_score")
    with pytest.raises(UserError, match="have no mask score"):
        fit().score(plain)
    of_class_score = fit_rescorer(plain, COCO, "gt.json", method="isotonic")
    assert isinstance(of_class_score.method, CalibratedScore)
    assert of_class_score.method.score == "class_score"


def test_scores_out_of_range() -> None:
    loud = replace(DETECTIONS, class_scores=2 * DETECTIONS.class_scores)
    with pytest.raises(UserError, match=r"detection \d+: its class score, .* outside \[0, 1\]"):
        fit_rescorer(loud, COCO, "gt.json", method="isotonic", score="class_score")


def test_nothing_to_fit_to() -> None:
    with pytest.raises(UserError, match="no detections"):
        fit_rescorer(Detections.from_rows([]), COCO, "gt.json", method="isotonic")
    assert fit().apply(Detections.from_rows([])).scores.shape == (0,)


def test_of_the_consensus_it_wants_its_views() -> None:
    others = replace(DETECTIONS, class_scores=DETECTIONS.class_scores**2)
    views = [View("s.json", others)]
    fitted = fit_rescorer(DETECTIONS, COCO, "gt.json", views, method="exponents", score="consensus")
    assert fitted.method.views == ["scaled"]
    results = with_agreement(DETECTIONS, views)
    assert results.consensus is not None and isinstance(fitted.method, CalibratedScore)
    (exponent,) = fitted.method.to_json()["parameters"]["exponents"]
    for found in (fitted.score(DETECTIONS, views), fitted.score(results)):
        assert found.scores == pytest.approx(results.consensus**exponent)
    with pytest.raises(
        UserError, match="fitted with 1 scaled view, and these results have no views"
    ):
        fitted.apply(DETECTIONS, same_images=True)
    # the mask score is the same with any views
    mask_score = fit_rescorer(results, COCO, "gt.json", method="isotonic")
    assert mask_score.method.views == []
    mask_score.apply(DETECTIONS, same_images=True)
    mask_score.apply(results, same_images=True)


def test_cross_fitted_scores_are_by_fits_on_other_images() -> None:
    matched = evaluate_scores(COCO, DETECTIONS).detections.matched_ious["mask_score"]
    found = cross_fit_calibrator("isotonic", "mask_score", DETECTIONS, matched)
    seen = fit().score(DETECTIONS).scores
    assert (found != seen).any()
    # what an image's masks find has no influence on its own scores
    for image in set(DETECTIONS.image_ids):
        own = np.array([one == image for one in DETECTIONS.image_ids])
        changed = np.where(own, 1 - matched, matched)
        again = cross_fit_calibrator("isotonic", "mask_score", DETECTIONS, changed)
        assert (again[own] == found[own]).all()
