"""Tests that rows are read alike in parts, one by one and by several processes."""

import json
import os
from pathlib import Path

import pytest

from msrcnn_mm import processes
from msrcnn_mm.coco import results_file, results_rows
from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.coco.results_file import load_results
from msrcnn_mm.coco.results_rows import RowReader
from msrcnn_mm.errors import UserError
from msrcnn_mm.evaluation.evaluate import evaluate_scores
from msrcnn_mm.evaluation.evaluation_result import as_json
from tests.support.coco_scenes import SIDE, as_coco, random_scene

ANNOTATIONS, ROWS = random_scene(3)


@pytest.fixture
def in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reads parts of few rows, and computes all that can be shared out in two processes."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setattr(processes, "_FEW", 1)
    monkeypatch.setattr(results_file, "_AT_ONCE", 1000)


def evaluated(path: Path) -> str:
    coco = as_coco(ANNOTATIONS, 3)
    return json.dumps(as_json(evaluate_scores(coco, load_results(path, coco))))


def test_two_processes_read_and_evaluate_as_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    (tmp_path / "r.json").write_text(json.dumps(ROWS))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    alone = evaluated(tmp_path / "r.json")
    request.getfixturevalue("in_parts")
    assert evaluated(tmp_path / "r.json") == alone


@pytest.mark.usefixtures("in_parts")
def test_the_number_of_a_row_is_that_in_the_file(tmp_path: Path) -> None:
    for bad, says in (
        ({"score": None}, "has no finite number as score"),
        ({"category_id": 99}, "is of category 99"),
    ):
        rows = [*ROWS[:7], ROWS[7] | bad, *ROWS[8:]]
        (tmp_path / "r.json").write_text(json.dumps(rows))
        with pytest.raises(UserError, match=f"detection 7 {says}"):
            load_results(tmp_path / "r.json", as_coco(ANNOTATIONS, 3))


@pytest.mark.usefixtures("in_parts")
def test_warnings_count_the_rows_of_all_parts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [row | {"image_id": str(row["image_id"])} for row in ROWS]
    (tmp_path / "r.json").write_text(json.dumps(rows))
    found = load_results(tmp_path / "r.json", as_coco(ANNOTATIONS, 3))
    assert found.image_ids == [row["image_id"] for row in ROWS]
    assert f"in {len(ROWS)} of {len(ROWS)} detections image_id is" in capsys.readouterr().err


@pytest.mark.usefixtures("in_parts")
@pytest.mark.parametrize("indent", [None, 1])
def test_a_file_that_is_cut_within_a_row_is_read(tmp_path: Path, indent: int | None) -> None:
    inner = [{"image_id": "}, {"}] * 100
    for rows in (ROWS, [row | {"views": inner} for row in ROWS]):
        (tmp_path / "r.json").write_text(json.dumps(rows, indent=indent))
        assert load_results(tmp_path / "r.json").to_rows() == rows


def test_our_own_defects_are_not_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> None:
        raise ValueError("a defect")

    (tmp_path / "r.json").write_text(json.dumps(ROWS))
    monkeypatch.setattr(results_rows, "measure", fail)
    with pytest.raises(ValueError, match="a defect"):
        load_results(tmp_path / "r.json")


def at_once(row: dict) -> Detections | None:
    raw = json.dumps([ROWS[0], ROWS[0] | row]).encode()
    return RowReader(as_coco(ANNOTATIONS, 3))._at_once(raw)


def test_only_rows_that_need_no_change_are_read_at_once() -> None:
    rle = ROWS[0]["segmentation"]
    for row in ({}, {"score": 1}, {"bbox": None}, {"segmentation": rle | {"more": 1}}):
        found = at_once(row)
        assert found is not None
        assert found.extras is None
        assert found.masks == [rle, rle]
    found = at_once({"more": [{"image_id": 1}]})
    assert found is not None
    assert found.extras == [{}, {"more": [{"image_id": 1}]}]
    for row in (
        {"calibrated_score": 0.5},
        {"score": True},
        {"score": 10**400},
        {"image_id": 10.0},
        {"image_id": 9},
        {"bbox": [0, 0, 0, 5]},
        {"bbox": [0, 0, 5]},
        {"bbox": [0, 0, "5", 5]},
        {"segmentation": [[0, 0, 9, 0, 9, 9]]},
        {"segmentation": rle | {"counts": [SIDE * SIDE]}},
        {"segmentation": rle | {"size": [float(SIDE), SIDE]}},
        {"segmentation": rle | {"size": [-1, SIDE]}},
        {"segmentation": rle | {"size": None}},
    ):
        assert at_once(row) is None, row
