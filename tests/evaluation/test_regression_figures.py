"""Regression test: the figures of a committed results file do not change.

``tests/data/drawn_shapes`` holds the results of a demo run (Mask Scoring R-CNN, 60 drawn images),
in which a few annotations were made crowds and a few detections lost a score, and the figures that
the package gave before its modules moved into rooms. Recovered shares are of the quality gap since;
quality oracle, TP share, the parts of the oracle gap and the intervals have been added.
"""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from msrcnn_mm.coco.annotations import load_annotations
from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.coco.results_file import load_results
from msrcnn_mm.evaluation.correlation import report, score_points
from msrcnn_mm.evaluation.evaluate import evaluate_scores
from msrcnn_mm.evaluation.evaluation_result import ScoreEvaluation, as_json
from msrcnn_mm.evaluation.protocol import coco_protocol
from msrcnn_mm.evaluation.summaries import class_aps, coco_items, metric_keys, score_table
from msrcnn_mm.evaluation.true_ious import true_ious
from msrcnn_mm.rescoring.calibrators.calibrated_score import CalibratedScore
from msrcnn_mm.rescoring.rescorer_fit import fit_rescorer
from tests.support.coco_scenes import average_precisions

DATA = Path(__file__).parents[1] / "data" / "drawn_shapes"
FIGURES = json.loads((DATA / "figures.json").read_text())
COCO = load_annotations(DATA / "annotations.json")
DETECTIONS = load_results(DATA / "results.json", COCO)
COMPLETE = Detections.from_rows(
    [row for row in DETECTIONS.to_rows() if {"mask_score", "foreground_prob"} <= row.keys()]
)
EVALUATION = evaluate_scores(COCO, DETECTIONS, boundary=True)


def without_columns(evaluation: ScoreEvaluation) -> dict[str, Any]:
    whole = as_json(evaluation)
    del whole["detections"], whole["resamples"]
    return whole


def assert_intervals(found: dict[str, Any], expected: dict[str, Any]) -> None:
    """Takes the intervals out of both and compares them but for the rounding of sums."""
    for part in ("ap_gains", "laece_intervals", "laece_changes"):
        one, other = found.pop(part), expected.pop(part)
        assert one.keys() == other.keys()
        for name in one:
            assert one[name] == pytest.approx(other[name], abs=1e-9)


def test_the_evaluation() -> None:
    found, expected = without_columns(EVALUATION), dict(FIGURES["evaluation"])
    assert_intervals(found, expected)
    quality = found.pop("mask_iou_quality")
    # the coefficients and the AUROC are SciPy's now: their last bit may differ
    assert quality == pytest.approx(expected.pop("mask_iou_quality"), rel=1e-12)
    assert found == expected


def test_the_evaluation_of_rescored_scores() -> None:
    rescorer = fit_rescorer(COMPLETE, COCO, "annotations.json", method="isotonic")
    rescored = rescorer.score(COMPLETE)
    assert rescored.ious == pytest.approx(rescored.scores, abs=1e-12)
    alone = replace(COMPLETE, rescored_scores=rescored.scores)
    found = without_columns(evaluate_scores(COCO, alone, coco_protocol(COCO, 3)))
    expected = dict(FIGURES["evaluation of rescored scores, at most 3 detections"])
    assert_intervals(found, expected)
    for part in (found, expected):
        del part["mask_iou_quality"]
    assert found == expected


def test_the_mask_iou_that_follows_from_mask_scores() -> None:
    only = replace(DETECTIONS, mask_ious=None, foreground_probs=None)
    found = as_json(evaluate_scores(COCO, only).mask_iou_quality)
    assert found == pytest.approx(FIGURES["mask IoU quality from mask scores"], rel=1e-12)


def test_the_box_aps() -> None:
    rows = DETECTIONS.to_rows()
    found = average_precisions(COCO, rows, [row["score"] for row in rows], iou_type="bbox")
    assert found == FIGURES["box APs"]


def test_the_summaries() -> None:
    assert metric_keys(EVALUATION, ["segm", "boundary"]) == FIGURES["metric keys"]
    assert coco_items(EVALUATION.rankings["mask_score"]) == FIGURES["COCO items"]
    classes = {one.name: one.rankings["mask_score"] for one in EVALUATION.classes}
    assert class_aps(classes) == FIGURES["class APs"]
    assert score_table(EVALUATION).splitlines() == FIGURES["table"]


def test_the_correlation() -> None:
    points = score_points(DETECTIONS, true_ious(COCO, DETECTIONS), 0.05)
    found = json.loads(json.dumps(report(points, 0.05)))
    assert _without_sums(found) == _without_sums(FIGURES["correlation"])
    for name, score in FIGURES["correlation"]["scores"].items():
        for some, expected in score.items():
            # sums of products depend on the processor in the last digit
            mine = found["scores"][name][some]["pearson"]
            assert mine == pytest.approx(expected["pearson"], rel=1e-12)


def _without_sums(figures: dict) -> dict:
    scores = {
        name: {some: {**of, "pearson": None} for some, of in score.items()}
        for name, score in figures["scores"].items()
    }
    return {**figures, "scores": scores}


@pytest.mark.parametrize("name", FIGURES["calibrations"])
def test_the_calibrations(name: str) -> None:
    method, score = name.split(" of ")
    found = fit_rescorer(COMPLETE, COCO, "annotations.json", method=method, score=score)
    expected = FIGURES["calibrations"][name]
    assert found.detections == expected["detections"]
    assert isinstance(found.method, CalibratedScore)
    for parameter, value in asdict(found.method.calibrator).items():
        # a minimum that an optimiser finds depends on the rounding of the processor's products
        assert value == pytest.approx(expected["parameters"][parameter], rel=1e-6)
