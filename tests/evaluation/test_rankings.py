"""Tests of the scores that rank masks."""

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.evaluation.summaries import metric_keys, score_table
from msrcnn_mm.evaluation.true_ious import true_ious
from tests.support.coco_scenes import (
    as_coco,
    average_precisions,
    detection,
    evaluate,
    plain_pycocotools,
    plain_tp_shares,
    protocol,
    random_scene,
    rectangle,
    worked_scene,
)

COLUMNS = {
    "agreement_score": "agreement_scores",
    "consensus": "consensus",
    "rescored_score": "rescored_scores",
}


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_each_ranking_is_pycocotools_with_the_score_replaced(seed: int) -> None:
    annotations, detections = random_scene(seed)
    assume(detections)
    coco = as_coco(annotations, num_images=3)
    evaluation = evaluate(coco, detections)
    class_scores = np.array([d["score"] for d in detections])
    true = true_ious(coco, Detections.from_rows(detections))
    assert evaluation.detections.true_ious.tolist() == true.tolist()
    for name, scores in (
        ("class_score", class_scores),
        ("mask_score", [d["mask_score"] for d in detections]),
        ("maskness", class_scores * [d["foreground_prob"] for d in detections]),
        ("quality_oracle", class_scores * plain_quality_ious(true.tolist())),
        ("oracle", class_scores * true),
        ("tp_share", np.nan_to_num(plain_tp_shares(coco, detections))),
    ):
        ours = evaluation.rankings[name]
        twelve = [-1 if v is None else v for v in (*ours.ap.values(), *ours.ar.values())]
        assert twelve == plain_pycocotools(coco, detections, scores).tolist()


def plain_quality_ious(true: list[float]) -> list[float]:
    of_objects = [iou for iou in true if iou >= 0.1]
    mean = sum(of_objects) / len(of_objects) if of_objects else 1
    return [iou if iou >= 0.1 else mean for iou in true]


def without_fields(detections: list[dict]) -> list[dict]:
    ours = ("mask_iou", "mask_score", "foreground_prob")
    return [{k: v for k, v in d.items() if k not in ours} for d in detections]


def test_scores_of_views_and_rescorers_rank_as_any_other() -> None:
    annotations, rows = random_scene(7)
    coco = as_coco(annotations, num_images=3)
    random = np.random.default_rng(0)
    given = {name: random.random(len(rows)) for name in COLUMNS}
    columns = {name: values.tolist() for name, values in given.items()}
    found = evaluate(coco, [r | {n: columns[n][i] for n in columns} for i, r in enumerate(rows)])
    for name, scores in given.items():
        assert getattr(found.detections, COLUMNS[name]).tolist() == scores.tolist()
        ours = found.rankings[name]
        twelve = [-1 if v is None else v for v in (*ours.ap.values(), *ours.ar.values())]
        assert twelve == plain_pycocotools(coco, rows, scores).tolist()
    assert (
        given.keys() <= found.calibration_errors.keys() & found.ap_gains.keys() & found.lrp.keys()
    )
    keys = metric_keys(found, ["segm"])
    assert {f"segm_mAP_{name}" for name in given} | {f"segm_olrp_{name}" for name in given} <= set(
        keys
    )
    table = score_table(found)
    order = ["maskness", "agreement score", "consensus", "rescored score", "quality oracle"]
    places = [table.index(f"| {name} ") for name in order]
    assert places == sorted(places)


def test_without_mask_scores() -> None:
    coco, detections = worked_scene()
    evaluation = evaluate(coco, without_fields(detections))
    assert list(evaluation.rankings) == ["class_score", "quality_oracle", "oracle", "tp_share"]
    assert evaluation.mask_iou_quality is None
    assert evaluation.oracle_gap["AP"] is not None


def test_some_without_mask_scores_rank_by_class_score() -> None:
    coco, (a, b, c) = worked_scene()
    evaluation = evaluate(coco, [*without_fields([a]), b, c])
    scores = [a["score"], b["mask_score"], c["mask_score"]]
    expected = average_precisions(coco, [a, b, c], scores)
    assert evaluation.rankings["mask_score"].ap["AP"] == expected[0]
    assert "1 detections have no mask score: they rank by class score" in evaluation.notes


def test_max_dets_cut_by_the_ranking_that_is_evaluated() -> None:
    """Two detections of a class in an image count; which two depends on the ranking."""
    coco, detections = worked_scene()
    extra = [detection(10, rectangle(90, 90, 100 + i, 100), 0.75, mask_iou=0.0) for i in range(5)]
    crowded = [*detections, *extra]
    few = protocol(coco, (1, 1, 2))
    rankings = evaluate(coco, crowded, few).rankings
    by = {name: ranking.ap["AP"] or 0 for name, ranking in rankings.items()}
    assert by["class_score"] < by["mask_score"]
