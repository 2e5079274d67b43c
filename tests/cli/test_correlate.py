"""Tests the correlate command: its files, and one line for each bad input."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from msrcnn_mm.cli import correlate as score_correlation
from msrcnn_mm.errors import UserError
from tests.support.coco_scenes import as_coco, coco_dict, random_scene
from tests.support.plain_matching import plain_true_ious

ANNOTATIONS, DETECTIONS = random_scene(5, num_images=4)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    (tmp_path / "gt.json").write_text(json.dumps(coco_dict(ANNOTATIONS, 4)))
    (tmp_path / "results.json").write_text(json.dumps(DETECTIONS))
    return {
        "results": tmp_path / "results.json",
        "annotations": tmp_path / "gt.json",
        "out": tmp_path / "new" / "folder",
    }


def correlate(files: dict[str, Path], *options: str) -> dict[str, Any]:
    score_correlation.main([*(str(path) for path in files.values()), *options])
    return json.loads((files["out"] / "correlation.json").read_text())


def rewrite(path: Path, *fields: str, **values: Any) -> None:
    path.write_text(json.dumps([{k: d[k] for k in fields} | values for d in DETECTIONS]))


def test_writes_numbers_and_picture(
    files: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    found = correlate(files, "--score-thr", "0")
    truth = plain_true_ious(DETECTIONS, as_coco(ANNOTATIONS, 4).dataset["annotations"])
    for word, field in (("class_score", "score"), ("mask_iou",) * 2, ("mask_score",) * 2):
        scores = [d[field] for d in DETECTIONS]
        part = found["scores"][word]["all"]
        assert part["count"] == len(DETECTIONS)
        assert part["pearson"] == pytest.approx(np.corrcoef(scores, truth)[0, 1])
    picture = cv2.imread(str(files["out"] / "correlation.png"))
    assert picture.shape[1] > 2 * picture.shape[0]
    lines = capsys.readouterr().out.splitlines()
    coefficient = f"{found['scores']['mask_score']['matched']['spearman']:.2f}"
    (line,) = (line for line in lines if "mask score" in line and ">= 0.5" in line)
    assert coefficient in line


def test_without_mask_scores_there_is_the_class_score(files: dict[str, Path]) -> None:
    """Other frameworks write such results."""
    rewrite(files["results"], "image_id", "category_id", "segmentation", "score")
    assert list(correlate(files)["scores"]) == ["class_score"]
    picture = cv2.imread(str(files["out"] / "correlation.png"))
    assert picture.shape[1] < 1.2 * picture.shape[0]


def test_constant_scores_have_no_coefficient(
    files: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    rewrite(files["results"], "image_id", "category_id", "segmentation", score=0.5)
    part = correlate(files)["scores"]["class_score"]
    assert part["all"]["pearson"] is part["matched"]["spearman"] is None
    assert "nan" not in (files["out"] / "correlation.json").read_text().lower()
    assert "nan" not in capsys.readouterr().out


def test_one_detection(files: dict[str, Path]) -> None:
    files["results"].write_text(json.dumps(DETECTIONS[:1]))
    assert correlate(files, "--score-thr", "0")["scores"]["mask_iou"]["all"]["count"] == 1


def test_threshold_of_the_class_score(
    files: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    kept = sum(d["score"] >= 0.5 for d in DETECTIONS)
    found = correlate(files, "--score-thr", "0.5")
    assert found["score_thr"] == 0.5
    assert [s["all"]["count"] for s in found["scores"].values()] == [kept] * 3
    line = f"{kept} of {len(DETECTIONS)} detections: class score 0.5 or more"
    assert line in capsys.readouterr().out


@pytest.mark.parametrize(
    ("spoil", "options", "message"),
    [
        (lambda f: f["results"].unlink(), [], "cannot read .*results.json"),
        (lambda f: f["annotations"].unlink(), [], "no such annotation file: .*gt.json"),
        (lambda f: f["results"].write_text("[]"), [], "no detection of class score 0.05 or more"),
        (lambda f: None, ["--score-thr", "1.5"], "no detection of class score 1.5 or more"),
        (lambda f: None, ["--score-thr", "nan"], "--score-thr: invalid number value: 'nan'"),
        (lambda f: f["out"].parent.write_text(""), [], "OUT_DIR .*: a file is in the way"),
        (
            lambda f: (f["out"] / "correlation.png").mkdir(parents=True),
            [],
            "cannot write .*correlation.png: Is a directory",
        ),
    ],
)
def test_bad_input_gets_one_line(
    files: dict[str, Path], spoil: Any, options: list[str], message: str
) -> None:
    spoil(files)
    with pytest.raises(UserError, match=message) as error:
        correlate(files, *options)
    assert "\n" not in str(error.value)
