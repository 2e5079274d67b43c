"""Tests the calibrate command."""

import json
from pathlib import Path
from typing import Any

import pytest

from msrcnn_mm.cli import calibrate
from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.errors import UserError
from msrcnn_mm.evaluation.evaluate import evaluate_scores
from msrcnn_mm.evaluation.summaries import score_table
from msrcnn_mm.rescoring.calibration_file import read_calibration
from msrcnn_mm.rescoring.fitting import add_calibrated_scores
from tests.support.coco_scenes import CATEGORIES, as_coco, coco_dict, random_scene
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


def test_fitted_on_one_set_applied_to_another(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("fit fit.json fit_gt.json c.json --method exponents --score maskness")
    assert "of the maskness, fitted on" in capsys.readouterr().out
    run("apply other.json other_gt.json c.json out.json")
    calibrated = read(folder / "out.json")
    assert calibrated == [
        row | {"calibrated_score": one["calibrated_score"]}
        for row, one in zip(OTHER[1], calibrated, strict=True)
    ]
    evaluation = evaluate_scores(as_coco(OTHER[0], IMAGES), Detections.from_rows(calibrated))
    assert score_table(evaluation) in capsys.readouterr().out


def test_without_options_it_is_isotonic_of_the_mask_score(folder: Path) -> None:
    run("fit fit.json fit_gt.json c.json")
    written = read(folder / "c.json")
    assert (written["method"], written["score"]) == ("isotonic", "mask_score")


def test_the_same_images_are_refused_without_the_option(folder: Path) -> None:
    run("fit fit.json fit_gt.json c.json")
    with pytest.raises(UserError, match=r"6 of the 6 images, fit/0\.png"):
        run("apply fit.json fit_gt.json c.json out.json")
    assert not (folder / "out.json").exists()
    run("apply fit.json fit_gt.json c.json out.json --same-images")
    assert len(read(folder / "out.json")) == len(FIT[1])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("fit fit.json fit_gt.json no/such/../../fit.json/c.json", "cannot write"),
        ("fit none.json fit_gt.json c.json", "cannot read none.json"),
        ("fit fit.json fit_gt.json .", "cannot write"),
        ("fit fit.json fit_gt.json fit.json", "CALIBRATION fit.json: is read as well"),
        ("apply fit.json fit_gt.json mixed.json fit_gt.json", "OUT fit_gt.json: is read as well"),
        ("fit mixed.json fit_gt.json c.json", "1 of .* detections have no mask score"),
        ("fit loud.json fit_gt.json c.json", "detection 1 has a mask score, or a factor"),
        (
            "fit fit.json boxless.json c.json",
            r"annotation 1 \(in .*: bbox is \[1, 2\]",
        ),
        ("fit fit.json fit_gt.json c.json --max-dets 0", "max_dets must be an integer >= 1"),
        ("apply fit.json fit_gt.json fit_gt.json out.json", "not a calibration of this version"),
        ("apply fit.json fit_gt.json none.json out.json", "cannot read none.json"),
    ],
)
def test_bad_input(line: str, message: str, folder: Path) -> None:
    boxless = read(folder / "fit_gt.json")
    boxless["annotations"][0] |= {"id": 1, "bbox": [1, 2]}
    (folder / "boxless.json").write_text(json.dumps(boxless))
    results = read(folder / "fit.json")
    mixed = [{k: v for k, v in results[0].items() if k != "mask_score"}, *results[1:]]
    (folder / "mixed.json").write_text(json.dumps(mixed))
    loud = [results[0], results[1] | {"mask_score": 1.7}, *results[2:]]
    (folder / "loud.json").write_text(json.dumps(loud))
    with pytest.raises(UserError, match=message):
        run(line)


def test_fewer_detections_count(folder: Path) -> None:
    run("fit fit.json fit_gt.json all.json")
    run("fit fit.json fit_gt.json one.json --max-dets 1")
    counts = [read(folder / name)["fitted_on"]["detections"] for name in ("all.json", "one.json")]
    assert counts[1] < counts[0] <= len(FIT[1])


def real_run(root: Path) -> tuple[str, str]:
    config = tiny_config()
    for head in ("bbox_head", "mask_head", "mask_iou_head"):
        config.model.roi_head[head].num_classes = len(CATEGORIES)
    config.model.test_cfg.rcnn.max_per_img = 5
    return write_run(config, root, "MaskScoreMetric")


def test_a_test_run_takes_the_calibration(root: Path, folder: Path) -> None:
    run("fit fit.json fit_gt.json c.json")
    found = metrics(
        real_run(root), "--calibration", "c.json", "--eval", "segm", "--out", "out.json"
    )
    assert "coco/segm_mAP_calibrated_score" in found
    written = read(folder / "out.json")
    detections = Detections.from_rows(written)
    again = add_calibrated_scores(read_calibration("c.json"), detections).calibrated_scores
    assert again is not None
    assert len(written) > 0
    for before, after in zip(written, again, strict=True):
        # the results hold single precision
        assert before["calibrated_score"] == pytest.approx(after, abs=1e-6)


def test_a_test_run_on_the_images_it_was_fitted_on_is_refused(root: Path, folder: Path) -> None:
    (folder / "own.json").write_text(json.dumps(DETECTIONS))
    run(f"fit own.json {root}/val.json c.json")
    options = ("--cfg-options", "model.test_cfg.calibration=c.json", "--eval", "segm")
    with pytest.raises(UserError, match="4 of the 4 images"):
        metrics(real_run(root), *options)
    assert metrics(real_run(root), *options, "--same-images")
