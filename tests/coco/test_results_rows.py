"""Tests that rows are read alike in parts, one by one and by several processes."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from msrcnn_mm import processes
from msrcnn_mm.coco import results_file
from msrcnn_mm.coco.results_file import load_results
from msrcnn_mm.coco.results_rows import RowReader
from msrcnn_mm.errors import UserError
from msrcnn_mm.evaluation.evaluate import evaluate_scores
from msrcnn_mm.evaluation.evaluation_result import as_json
from tests.support.coco_scenes import SIDE, as_coco, random_scene

ANNOTATIONS, ROWS = random_scene(3)


@pytest.fixture
def in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reads parts of three rows, and computes all that can be shared out in two processes."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setattr(processes, "_FEW", 1)
    monkeypatch.setattr(results_file, "_AT_ONCE", 3)


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


def alike(row: dict) -> bool:
    rows = [json.loads(json.dumps(one)) for one in (ROWS[0], ROWS[0] | row)]
    return RowReader("r.json", as_coco(ANNOTATIONS, 3))._are_alike(rows)


def test_only_rows_that_need_no_change_are_read_at_once() -> None:
    rle = ROWS[0]["segmentation"]
    assert alike({})
    assert alike({"score": 1})
    for row in (
        {"more": 1},
        {"score": True},
        {"score": 10**400},
        {"score": np.inf},
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
        {"segmentation": rle | {"more": 1}},
    ):
        assert not alike(row), row
