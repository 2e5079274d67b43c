"""Tests the command labels on files: what it writes, says and refuses."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pycocotools.mask as mask_utils
import pytest
from PIL import Image

from msrcnn_mm.cli import labels
from msrcnn_mm.errors import UserError
from tests.support.coco_scenes import SIDE, annotation, coco_dict, detection, rectangle

IMAGES = 12
FIRST = 10  # image id
OBJECT = rectangle(30, 30, 70, 70)


@pytest.fixture(autouse=True)
def _inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writes images with one object each; the first is not annotated, the second of no mask."""
    monkeypatch.chdir(tmp_path)
    ids = range(FIRST, FIRST + IMAGES)
    truth = [annotation(i, i, OBJECT) for i in ids if i != FIRST]
    far = rectangle(90, 90, 110, 115)
    found = [detection(i, far if i == FIRST + 1 else OBJECT, 0.9) for i in ids if i != FIRST + 2]
    found[1]["score"] = 0.1
    content = coco_dict(truth, IMAGES)
    content["categories"][0]["name"] = "<b>ring"
    Path("gt.json").write_text(json.dumps(content))
    Path("found.json").write_text(json.dumps(found))
    Path("images").mkdir()
    for image in content["images"]:
        Image.fromarray(np.full((SIDE, SIDE, 3), 90, np.uint8)).save(f"images/{image['file_name']}")


def read(name: str) -> Any:
    return json.loads(Path(name).read_text())


def test_suspects_are_written_and_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    labels.main(["found.json", "gt.json", "out", "--images", "images"])
    content = read("out/labels.json")
    missed, lone = content["suspects"]
    assert (content["score"], content["images"]) == ("class_score", IMAGES - 1)
    assert (missed["kind"], missed["image_id"]) == ("missed object", FIRST)
    assert missed["file_name"] == "0.png" and missed["annotation_ids"] == []
    (mask,) = missed["masks"]
    assert mask_utils.decode(mask["segmentation"]).sum() == OBJECT.sum() and mask["score"] == 0.9
    assert missed["suspicion"] == missed["calibrated_scores"][0] == pytest.approx(9 / 10, abs=1e-3)
    assert (lone["kind"], lone["annotation_ids"], lone["masks"]) == ("no object", [FIRST + 1], [])
    assert 0 < lone["suspicion"] < 0.2 and [missed["rank"], lone["rank"]] == [1, 2]
    page = Path("out/labels.html").read_text()
    assert page.count("data:image/jpeg;base64,") == 2 and "&lt;b&gt;ring of class score" in page
    assert not re.search(r'(src|href)="(?!data:)', page) and "<b>ring" not in page
    said = capsys.readouterr()
    assert "missed object" in said.out and "out: labels.json, labels.html" in said.out
    assert "found.json has masks of 11 of 12 images: the labels of" in said.err
    Path("images", "0.png").unlink()  # of the first suspect
    with pytest.raises(UserError, match=r"0\.png"):
        labels.main(["found.json", "gt.json", "new", "--images", "images"])
    assert not Path("new", "labels.json").exists()
    for name in ("labels.json", "labels.html"):
        with pytest.raises(UserError, match=rf"^out/{name}: exists: name another OUT_FOLDER, or"):
            labels.main(["found.json", "gt.json", "out"])
        Path("out", "labels.json").unlink(missing_ok=True)
    labels.main(["found.json", "gt.json", "out", "--overwrite"])
    assert [path.name for path in Path("out").iterdir()] == ["labels.json"]


def test_results_of_few_images_are_warned_of_once(capsys: pytest.CaptureFixture[str]) -> None:
    Path("found.json").write_text(json.dumps(read("found.json")[:2]))
    labels.main(["found.json", "gt.json", "out"])
    (warning,) = capsys.readouterr().err.splitlines()
    assert "found.json has masks of 2 of 12 images: the labels of the others are not" in warning


def test_without_images_there_is_no_page() -> None:
    labels.main(["found.json", "gt.json", "out", "--score-thr", "0.95"])
    assert [path.name for path in Path("out").iterdir()] == ["labels.json"]
    assert [one["kind"] for one in read("out/labels.json")["suspects"]] == ["no object"]


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (None, ["--score-thr", "30"], r"--score-thr: must be a number in \[0, 1\], not 30"),
        (None, ["--score-by", "consensus"], "not all masks have a consensus; all have class_score"),
        (None, ["--gallery", "0"], "--gallery must be an integer >= 1, not 0"),
        (None, ["--images", "nowhere"], "--images: there is no folder nowhere"),
        (("gt.json", lambda c: c["annotations"].clear()), [], "gt.json has no object"),
        (("found.json", lambda c: c.clear()), [], "found.json has no detections"),
        (
            ("found.json", lambda c: [d.update(score=d["score"] * 100) for d in c]),
            [],
            "the class score goes from 10 to 90 and must be in",
        ),
    ],
)
def test_inputs_that_do_not_fit_are_refused(change: Any, options: list[str], message: str) -> None:
    if change:
        content = read(change[0])
        change[1](content)
        Path(change[0]).write_text(json.dumps(content))
    with pytest.raises(UserError, match=message):
        labels.main(["found.json", "gt.json", "out", *options])
    assert not Path("out/labels.json").exists()
