"""Results that list a detection twice, or hardly find what is annotated."""

from dataclasses import replace

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.evaluation.odd_results import found_instances, repeated, warn_of_odd_results
from tests.support.coco_scenes import as_coco, random_scene


def scene() -> tuple[COCO, Detections]:
    annotations, rows = random_scene(0, 40, most=8)
    return as_coco(annotations, 40), Detections.from_rows(rows)


def test_detections_given_twice_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    coco, detections = scene()
    many = len(detections)
    warn_of_odd_results(detections, "r.json", coco)
    assert capsys.readouterr().err == ""
    twice = Detections.concatenate([detections, detections.take([0, 0, 3])])
    warn_of_odd_results(twice, "r.json")
    assert capsys.readouterr().err == (
        f"warning: r.json: 3 of {many + 3} detections are the same as another one and count as"
        " duplicates: give each once\n"
    )
    assert detections.masks is not None
    for other in (
        replace(detections, image_ids=[-1] * many),
        replace(detections, category_ids=[-1] * many),
        replace(detections, class_scores=detections.class_scores / 2),
        replace(detections, masks=[{**rle, "counts": "04"} for rle in detections.masks]),
    ):
        assert repeated(Detections.concatenate([detections, other]).take([0, many])) == 0


def test_hardly_found_instances_are_noticed(capsys: pytest.CaptureFixture[str]) -> None:
    coco, detections = scene()
    theirs = COCOeval(coco, coco.loadRes(detections.to_rows()), "segm")
    theirs.params.iouThrs, theirs.params.areaRng = np.array([0.5]), [[0, 1e10]]
    theirs.evaluate()
    counted = [one for one in theirs.evalImgs if one is not None]
    found, instances, looked_at = found_instances(coco, detections)
    assert looked_at == len(detections)
    assert found == sum(((m["dtMatches"] > 0) & (m["dtIgnore"] == 0)).sum() for m in counted) > 20
    images = set(detections.image_ids)
    singles = [a for a in coco.anns.values() if not a.get("iscrowd", 0)]
    assert instances == sum(a["image_id"] in images for a in singles)
    capsys.readouterr()
    first, second = sorted(coco.cats)[:2]
    of_first = as_coco([{**a, "category_id": first} for a in coco.anns.values()], 40)
    of_second = replace(detections, category_ids=[second] * looked_at)
    warn_of_odd_results(of_second, "r.json", of_first)
    warning = capsys.readouterr().err
    assert warning.startswith(f"warning: r.json: only 0 of {instances} instances are found at IoU")
    assert warning.count("\n") == 1
    warn_of_odd_results(detections, "r.json", as_coco([], 40))  # nothing is annotated
    warn_of_odd_results(detections.take([]), "r.json", coco)
    assert capsys.readouterr().err == ""
