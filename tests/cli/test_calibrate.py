"""Tests the calibrate command, the old form of rescore, and its files in a test run."""

import json
from pathlib import Path
from typing import Any

import pytest

from msrcnn_mm.cli import calibrate, rescore
from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.errors import UserError
from msrcnn_mm.rescoring.rescorer import read_rescorer
from tests.support.coco_scenes import CATEGORIES, coco_dict, random_scene
from tests.support.scene_runs import DETECTIONS, metrics, write_run
from tests.support.tiny import tiny_config

IMAGES = 6
FIT, OTHER = random_scene(3, IMAGES), random_scene(8, IMAGES)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, (annotations, detections) in (("fit", FIT), ("other", OTHER)):
        truth = coco_dict(annotations, IMAGES)
        for image in truth["images"]:
            image["file_name"] = f"{name}/{image['file_name']}"
        (tmp_path / f"{name}_gt.json").write_text(json.dumps(truth))
        (tmp_path / f"{name}.json").write_text(json.dumps(detections))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(line: str) -> None:
    calibrate.main(line.split())


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def test_it_is_rescore(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("fit fit.json fit_gt.json c.json --method exponents --score maskness --max-dets 3")
    said = capsys.readouterr()
    new = (
        "fit fit.json fit_gt.json --out r.json --method exponents --score maskness --max-dets 3",
        "apply other.json other_gt.json --rescorer r.json --out new.json",
    )
    rescore.main(new[0].split())
    assert read(folder / "c.json") == read(folder / "r.json")
    assert "warning: calibrate is now called rescore: python -m msrcnn_mm rescore fit" in said.err
    assert said.out.replace("c.json", "r.json") == capsys.readouterr().out
    run("apply other.json other_gt.json c.json out.json")
    old_said = capsys.readouterr().out
    rescore.main(new[1].split())
    assert read(folder / "out.json") == read(folder / "new.json")
    assert old_said.replace("out.json", "new.json") == capsys.readouterr().out


def test_without_options_it_is_isotonic_of_the_mask_score(folder: Path) -> None:
    run("fit fit.json fit_gt.json c.json")
    written = read(folder / "c.json")
    assert (written["method"], written["score"]) == ("isotonic", "mask_score")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("fit none.json fit_gt.json c.json", "cannot read none.json"),
        ("fit fit.json fit_gt.json fit.json", "--out fit.json: is read as well"),
        ("apply fit.json fit_gt.json c.json fit_gt.json", "--out fit_gt.json: is read as well"),
        (
            "fit fit.json fit_gt.json c.json --max-dets 0",
            "--max-dets must be an integer >= 1, not 0",
        ),
        ("apply fit.json fit_gt.json fit_gt.json out.json", "not a re-scorer of this version"),
        ("fit fit.json fit_gt.json", r"required: CALIBRATION\.json"),
    ],
)
def test_bad_input(line: str, message: str, folder: Path) -> None:
    with pytest.raises(UserError, match=message):
        run(line)


def real_run(root: Path) -> tuple[str, str]:
    config = tiny_config()
    for head in ("bbox_head", "mask_head", "mask_iou_head"):
        config.model.roi_head[head].num_classes = len(CATEGORIES)
    config.model.test_cfg.rcnn.max_per_img = 5
    return write_run(config, root, "MaskScoreMetric")


def test_a_test_run_takes_the_file(
    root: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("fit fit.json fit_gt.json c.json")
    found = metrics(
        real_run(root), "--calibration", "c.json", "--eval", "segm", "--out", "out.json"
    )
    assert "--calibration is now called --rescorer" in capsys.readouterr().err
    assert "coco/segm_mAP_rescored_score" in found
    written = read(folder / "out.json")
    again = read_rescorer("c.json").score(Detections.from_rows(written))
    assert again.ious is not None
    assert len(written) > 0
    for row, score, iou in zip(written, again.scores, again.ious, strict=True):
        # the results hold single precision
        assert row["rescored_score"] == pytest.approx(score, abs=1e-6)
        assert row["expected_iou"] == pytest.approx(iou, abs=1e-5)


def test_a_test_run_on_the_images_it_was_fitted_on_is_refused(root: Path, folder: Path) -> None:
    (folder / "own.json").write_text(json.dumps(DETECTIONS))
    run(f"fit own.json {root}/val.json c.json")
    options = ("--cfg-options", "model.test_cfg.calibration=c.json", "--eval", "segm")
    with pytest.raises(UserError, match="4 of the 4 images"):
        metrics(real_run(root), *options)
    assert metrics(real_run(root), *options, "--same-images")
