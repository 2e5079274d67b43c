"""Tests the draw command: the content of the picture, and one line for each bad input."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from msrcnn_mm.cli import draw as draw_scores
from msrcnn_mm.errors import UserError
from msrcnn_mm.report.pictures.masks import DPI, PANEL, MaskDrawer
from tests.support.coco_scenes import SIDE, annotation, coco_dict, detection, rectangle


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """Four grey images with an instance each, and masks of half of it."""
    (tmp_path / "images").mkdir()
    annotations, detections = [], []
    for i in range(4):
        image = np.full((SIDE, SIDE, 3), 60 + 20 * i, np.uint8)
        cv2.imwrite(str(tmp_path / "images" / f"{i}.png"), image)
        annotations.append(annotation(i + 1, 10 + i, rectangle(20, 20, 60, 60)))
        detections.append(detection(10 + i, rectangle(20, 20, 40, 60), 0.9, mask_iou=0.2 * i))
    (tmp_path / "gt.json").write_text(json.dumps(coco_dict(annotations, 4)))
    (tmp_path / "results.json").write_text(json.dumps(detections))
    return {
        "results": tmp_path / "results.json",
        "annotations": tmp_path / "gt.json",
        "images": tmp_path / "images",
        "out": tmp_path / "new" / "scores.png",
    }


def draw(files: dict[str, Path], *options: str) -> np.ndarray:
    draw_scores.main([*(str(path) for path in files.values()), *options])
    picture = cv2.imread(str(files["out"]))
    assert picture is not None
    return picture


def lead_out(path: Path) -> None:
    content = json.loads(path.read_text())
    content["images"][0]["file_name"] = "../10.png"
    path.write_text(json.dumps(content))


def drop_file_name(path: Path) -> None:
    content = json.loads(path.read_text())
    del content["images"][0]["file_name"]
    path.write_text(json.dumps(content))


def spread(picture: np.ndarray) -> int:
    """Counts the pixels that are not grey: tints, outlines, edges of labels."""
    return int((np.ptp(picture.astype(int), axis=2) > 60).sum())


def test_draws_the_images_and_their_labels(
    files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = []

    def spy(drawer: MaskDrawer, mask: int) -> str:
        labels.append(original(drawer, mask))
        return labels[-1]

    original = MaskDrawer.label
    monkeypatch.setattr(MaskDrawer, "label", spy)
    picture = draw(files, "--images", "4")
    assert picture.shape[1] == round(3 * PANEL * DPI)
    assert spread(picture) > 20_000
    assert sorted(labels) == [".90 / .%02d / .50" % (18 * i) for i in range(4)]  # noqa: UP031


def test_without_mask_scores_or_boxes(files: dict[str, Path]) -> None:
    """Other frameworks write such results."""
    kept = ("image_id", "category_id", "segmentation", "score")
    rows = json.loads(files["results"].read_text())
    files["results"].write_text(json.dumps([{k: row[k] for k in kept} for row in rows]))
    assert spread(draw(files, "--images", "2")) > 10_000


def test_fewer_images_than_asked_for(files: dict[str, Path]) -> None:
    assert draw(files, "--images", "9").size


def test_same_seed_same_picture(files: dict[str, Path]) -> None:
    assert np.array_equal(draw(files, "--seed", "4"), draw(files, "--seed", "4"))


@pytest.mark.parametrize(
    ("spoil", "options", "message"),
    [
        (lambda f: f["results"].unlink(), [], "cannot read .*results.json"),
        (lambda f: f["annotations"].write_text("{}"), [], "gt.json is not in COCO's format"),
        (lambda f: (f["images"] / "2.png").unlink(), [], "there is no image .*2.png"),
        (lambda f: None, ["--score-thr", "0.95"], "no detection of class score 0.95 or more"),
        (lambda f: None, ["--score-thr", "nan"], "--score-thr: invalid number value: 'nan'"),
        (lambda f: f.update(out=f["images"] / "2.png"), [], "2.png: is read as well and would be"),
        (lambda f: None, ["--images", "0"], "--images must be an integer >= 1, not 0"),
        (lambda f: None, ["--seed", "-1"], "--seed must be an integer >= 0, not -1"),
        (lambda f: lead_out(f["annotations"]), [], "gt.json: image 10 has .* leads out of "),
        (lambda f: drop_file_name(f["annotations"]), [], "gt.json: image 10 has no 'file_name'$"),
        (lambda f: f.update(out=Path("scores.jpg")), [], "must end in .png"),
        (lambda f: f["out"].parent.write_text(""), [], "OUT .*: a file is in the way"),
    ],
)
def test_bad_input_gets_one_line(
    files: dict[str, Path], spoil: Any, options: list[str], message: str
) -> None:
    spoil(files)
    with pytest.raises(UserError, match=message) as error:
        draw(files, *options)
    assert "\n" not in str(error.value)
