"""Tests the command check on files: what it prints, writes and refuses."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from msrcnn_mm import processes, registration
from msrcnn_mm.cli import check
from msrcnn_mm.errors import UserError
from tests.support.checked_configs import make_config
from tests.support.coco_files import annotations, write_data_set

CLASSES = ("disk", "<b>box")
BOTH = ["--annotations", "train.json", "val.json", "--images", "train", "val"]


@pytest.fixture(autouse=True)
def _inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writes two data sets of the same images; an image of train is damaged, a polygon crosses."""
    monkeypatch.chdir(tmp_path)
    write_data_set(tmp_path, CLASSES, 3)
    content = annotations(CLASSES, 3)
    content["annotations"][2]["segmentation"] = [[10, 10, 40, 40, 40, 10, 10, 40, 5, 25]]
    content["annotations"][2]["bbox"] = [5, 10, 35, 30]
    Path("train.json").write_text(json.dumps(content))
    Path("train/1.png").write_bytes(Path("train/1.png").read_bytes()[:-300])
    Path("val/3.png").rename("val/missing_<i>.png")


def read(name: str) -> Any:
    return json.loads(Path(name).read_text())


def test_findings_are_printed_and_written(capsys: pytest.CaptureFixture[str]) -> None:
    before = Path("train.json").read_bytes()
    check.main([*BOTH, "--json", "all.json", "--out", "page.html", "--fix", "fixed"])
    said = capsys.readouterr().out
    assert "train.json: 3 images in train, 6 annotations, 2 classes" in said
    for line in (
        r"1 unreadable image +1\.png: .*\([\d,]+ bytes\)$",
        r"1 missing image +3\.png$",
        r"1 near-duplicate +2\.png is nearly 2\.png of val\.json$",
        r"1 self-crossing polygon +annotation 3 \(in 2\.png\): edges cross at x 25\.0, y 25\.0$",
        r"^fixed/train\.json: 1 fixed, 2 left; images 3 -> 2, annotations 6 -> 4, cat",
    ):
        assert re.search(line, said, re.MULTILINE), said
    found = read("all.json")
    assert {kind: n for kind, n in found["counts"].items() if n} == {
        "missing image": 1,
        "unreadable image": 1,
        "near-duplicate": 1,
        "self-crossing polygon": 1,
    }
    (crossing,) = [f for f in found["findings"] if f["kind"] == "self-crossing polygon"]
    assert (crossing["annotation_id"], crossing["image_id"]) == (3, 2)
    (pair,) = [f for f in found["findings"] if f["kind"] == "near-duplicate"]
    assert pair["other"] == {"annotations": "val.json", "image_id": 2, "file_name": "2.png"}
    page = Path("page.html").read_text()
    assert page.count("data:image/jpeg;base64,") == 2  # of the pair and the polygon
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    assert {a["image_id"] for a in read("fixed/train.json")["annotations"]} == {2, 3}
    train, val = read("fixed/fixes.json")
    assert train["fixed"][0]["fix"] == "the image and its annotations are removed"
    assert train["left"] == {"near-duplicate": 1, "self-crossing polygon": 1}
    assert val["before_and_after"]["images"] == [3, 2]
    assert Path("train.json").read_bytes() == before
    existing = r"^--fix fixed/train\.json: exists: name another folder, or add --overwrite$"
    with pytest.raises(UserError, match=existing):
        check.main([*BOTH, "--fix", "fixed"])
    check.main([*BOTH, "--fix", "fixed", "--json", "all.json", "--overwrite"])
    assert read("all.json") == found
    for option, name in (("--fix", "."), ("--out", "val.json")):
        with pytest.raises(UserError, match="is read as well and would be lost"):
            check.main([*BOTH, option, name, "--overwrite"])


def test_names_are_escaped_on_the_page() -> None:
    content = annotations(CLASSES, 3)
    content["images"][2]["file_name"] = "gone_<i>.png"
    content["categories"].append(dict(id=9, name="<b>star"))
    Path("val.json").write_text(json.dumps(content))
    check.main(["--annotations", "val.json", "--images", "val", "--out", "page.html"])
    page = Path("page.html").read_text()
    assert "gone_&lt;i&gt;.png" in page and "&lt;b&gt;star" in page
    assert "<i>" not in page and "<b>" not in page


def test_several_processes_find_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    check.main([*BOTH, "--json", "one.json"])
    monkeypatch.setattr(processes, "_FEW", 1)
    monkeypatch.setattr(processes.os, "sched_getaffinity", lambda _: {0, 1})
    check.main([*BOTH, "--json", "two.json"])
    assert read("one.json") == read("two.json")


def test_without_images_annotations_alone_are_checked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    check.main(["--annotations", "val.json"])
    assert capsys.readouterr().out == (
        "val.json: 3 images, which are not opened, 6 annotations, 2 classes\nnothing is found\n"
    )


def test_the_data_of_a_config_is_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = make_config(tmp_path, ("disk", "star"))
    config.test_dataloader.dataset.data_prefix.img = "other"
    config.dump("config.py")
    check.main(["config.py", "--json", "of_config.json"])
    said, warned = capsys.readouterr()
    assert "test_dataloader.dataset: " in warned and f"not {tmp_path / 'other'}" in warned
    assert said.count("val.json: 3 images in") == 1  # of val and of test
    found = read("of_config.json")["counts"]
    check.main([*BOTH, "--json", "of_files.json"])
    expected = {**read("of_files.json")["counts"], "unknown class": 4}
    assert found == expected
    assert "the config lacks '<b>box'" in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "give either a CONFIG or --annotations FILE"),
        (["x.py", "--annotations", "val.json"], "give either a CONFIG or --annotations FILE"),
        (["x.py", "--images", "val"], "--images goes with --annotations"),
        (["--annotations", "val.json", "--images", "val", "train"], "give one folder, or one for"),
        (["--annotations", "val.json", "--images", "nowhere"], "there is no folder nowhere"),
        (["--annotations", "val.json", "--json", "val.json"], "--json val.json: is read as well"),
        (["--annotations", "val.json", "train/../val.json", "--fix", "f"], "two files are named"),
        (["--annotations", "val.json", "./val.json"], "--annotations: val.json is named twice"),
        (["--annotations", "val.json", "--out", "val"], "--out val: is a folder; name a file"),
        (["--annotations", "val.json", "--json", "val.json/x"], "--json val.json: a file is in"),
    ],
)
def test_what_does_not_fit_is_refused(words: list[str], message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        check.main(words)


def test_a_config_needs_mmdetection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registration, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"^check CONFIG needs MMDetection: run `make install`"):
        check.main(["x.py"])
