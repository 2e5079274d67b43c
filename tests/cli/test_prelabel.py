"""Tests the command prelabel on files: what it writes, says and refuses."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from msrcnn_mm.cli import prelabel, rescore
from msrcnn_mm.coco.annotations import load_annotations
from msrcnn_mm.errors import UserError
from tests.support.coco_scenes import annotation, coco_dict, detection, rectangle

IMAGES = 40
FIRST = 10  # image id


def scene(seed: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Returns annotations and detections; masks of a score above 0.5 are right."""
    rng = np.random.default_rng(seed)
    truth, found = [], []
    for image_id in range(FIRST, FIRST + IMAGES):
        for k in range(3):
            x, y = 40 * k + int(rng.integers(0, 5)), int(rng.integers(0, 60))
            width, height = (int(v) for v in rng.integers(20, 35, 2))
            mask = rectangle(x, y, x + width, y + height)
            mask[y + 3, x + int(rng.integers(3, 17))] = 0
            score = round(float(rng.uniform(0.1, 1)), 3)
            found.append(detection(image_id, mask, score))
            if score > 0.5:
                truth.append(annotation(len(truth) + 1, image_id, mask))
    return truth, found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    for name, seed in (("fit", 1), ("val", 2), ("new", 3)):
        truth, found = scene(seed)
        content = coco_dict(truth, IMAGES)
        for image in content["images"]:
            image["file_name"] = f"{name}/{image['file_name']}"
        if name == "new":
            del content["annotations"]
        (folder / f"{name}_gt.json").write_text(json.dumps(content))
        (folder / f"{name}.json").write_text(json.dumps(found))
    return folder


@pytest.fixture(autouse=True)
def _inside(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes a copy of the folder the current one."""
    monkeypatch.chdir(shutil.copytree(folder, tmp_path, dirs_exist_ok=True))


def read(name: str) -> Any:
    return json.loads(Path(name).read_text())


def words(*options: str, labelled: str = "val") -> list[str]:
    split = ["--labelled", f"{labelled}.json", f"{labelled}_gt.json"]
    return ["new.json", "new_gt.json", *split, "--out", "out", *options]


def test_accepted_and_left_masks_are_written(capsys: pytest.CaptureFixture[str]) -> None:
    prelabel.main(words("--share", "0.7", "--mean-iou", "0.6", "--seconds", "4"))
    accepted, review = read("out/accepted.json"), read("out/review.json")
    promise, queue = read("out/promise.json"), read("out/queue.json")
    scores = [d["score"] for d in read("new.json")]
    cut = promise["cut"]
    assert 0.3 < cut < 0.6 and promise["score"] == "class_score"
    assert sorted(a["score"] for a in accepted["annotations"]) == sorted(
        s for s in scores if s >= cut
    )
    assert sorted(a["score"] for a in review["annotations"]) == sorted(
        s for s in scores if 0.05 <= s < cut
    )
    assert promise["accepted"] == len(accepted["annotations"])
    assert promise["seconds"] == 4 * promise["left"] == 4 * len(review["annotations"])
    assert len(accepted["images"]) == IMAGES
    assert [i["id"] for i in review["images"]] == [entry["image_id"] for entry in queue]
    gains = [entry["gain"] for entry in queue]
    assert gains == sorted(gains, reverse=True) and 0 <= gains[-1] <= gains[0] <= 1
    by_id = {a["id"]: a for a in review["annotations"]}
    for entry in queue:
        own = [by_id[number] for number in entry["annotations"]]
        assert {a["image_id"] for a in own} == {entry["image_id"]}
        assert entry["gain"] == pytest.approx(np.mean([a["gain"] for a in own]), abs=1e-4)
    assert not {a["id"] for a in accepted["annotations"]} & by_id.keys()
    assert len(load_annotations("out/accepted.json").anns) == promise["accepted"]
    assert Path("out/promise.png").read_bytes().startswith(b"\x89PNG")
    said = capsys.readouterr().out
    assert "class score (used)" in said and "with 95% confidence at least 70% are of" in said
    with pytest.raises(UserError, match=r"^--out out/accepted\.json: exists: name another folder"):
        prelabel.main(words())
    prelabel.main(words("--overwrite"))
    assert read("out/promise.json")["promised"]["share"] == 0.95


def test_too_few_images_promise_nothing_and_say_how_many_are_needed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    prelabel.main(words("--share", "0.99"))
    assert read("out/accepted.json")["annotations"] == []
    promise = read("out/promise.json")
    more = promise["labelled_images_needed"] - IMAGES
    assert promise["cut"] is None and more > 100
    assert f"about {more:,} more would show it (an estimate" in capsys.readouterr().out


def test_a_rescorer_of_other_images_is_applied() -> None:
    rescore.main(["fit", "fit.json", "fit_gt.json", "--out", "r.json", "--method", "isotonic"])
    prelabel.main(words("--share", "0.7", "--rescorer", "r.json"))
    assert read("out/promise.json")["score"] == "rescored_score"
    with pytest.raises(UserError, match=r"fitted on 40 of the 40 labelled images, fit/\d+\.png"):
        prelabel.main(words("--rescorer", "r.json", "--overwrite", labelled="fit"))
    with pytest.raises(UserError, match="fitted on 40 of the 40 images to label and is too good"):
        prelabel.main(
            ["fit.json", "fit_gt.json", *words("--rescorer", "r.json", "--overwrite")[2:]]
        )


def changed(name: str, change: Any) -> str:
    content = read(name)
    change(content)
    Path(f"changed_{name}").write_text(json.dumps(content))
    return f"changed_{name}"


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("val_gt.json", lambda c: c["annotations"].clear(), "no image of the labelled split is"),
        ("new.json", lambda c: c.clear(), "images to label have no detection"),
        (
            "new.json",
            lambda c: c.__setitem__(slice(None), scene(2)[1]),
            "40 of the 40 images have the masks of labelled images",
        ),
        (
            "new.json",
            lambda c: [d.update(score=d["score"] ** 8) for d in c],
            "another detector or score threshold",
        ),
        (
            "new_gt.json",
            lambda c: c["categories"][0].update(name="disc"),
            "category 3 is 'ring' in the labelled split and 'disc' in the list of images",
        ),
        ("new.json", lambda c: [d.update(score=d["score"] * 100) for d in c], "another detector"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(file: str, change: Any, message: str) -> None:
    name = changed(file, change)
    with pytest.raises(UserError, match=message):
        prelabel.main([name if word == file else word for word in words()])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--share", "95"], r"--share: must be a number in \[0, 1\], not 95"),
        (["--score-thr", "-0.1"], r"--score-thr: must be a number in \[0, 1\], not -0.1"),
        (["--mean-iou", "x"], "--mean-iou: must be a number"),
        (["--seconds", "-1"], "--seconds: must be a number >= 0, not -1"),
        (["--seconds", "inf"], "--seconds: must be a number >= 0, not inf"),
        (["--score-by", "consensus"], "not all masks have a consensus"),
    ],
)
def test_options_that_cannot_be_met_are_refused(options: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        prelabel.main(words(*options))
