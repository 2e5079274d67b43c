"""Commands whose output disk is full or read-only: real disks in memory, mounted by root."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from msrcnn_mm.cli import check, draw, labels, prelabel, report, rescore
from msrcnn_mm.errors import UserError
from msrcnn_mm.runtime.journal import Journal
from tests.support.coco_scenes import SIDE, coco_dict, random_scene
from tests.support.disks import change, fill, mounted

IMAGES = 30
FULL, READ_ONLY = "No space left on device", "Read-only file system"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns a folder with images and results of two scenes."""
    folder = tmp_path_factory.mktemp("files")
    for name, seed in (("one", 3), ("other", 8)):
        annotations, rows = random_scene(seed, IMAGES)
        content = coco_dict(annotations, IMAGES)
        (folder / f"{name}_gt.json").write_text(json.dumps(content))
        (folder / f"{name}.json").write_text(json.dumps(rows))
    for image in content["images"]:
        Image.fromarray(np.full((SIDE, SIDE, 3), 90, np.uint8)).save(folder / image["file_name"])
    return folder


@pytest.mark.parametrize("fault", [FULL, READ_ONLY])
@pytest.mark.parametrize(
    ("command", "words"),
    [
        (report.main, "one.json one_gt.json DISK/report"),
        (rescore.main, "fit one.json one_gt.json --out DISK/rescorer.json"),
        (labels.main, "one.json one_gt.json DISK/labels"),
        (prelabel.main, "one.json one_gt.json --labelled other.json other_gt.json --out DISK/pre"),
        (check.main, "--annotations one_gt.json --fix DISK/fixed"),
        (check.main, "--annotations one_gt.json --json DISK/old.json --overwrite"),
        (draw.main, "one.json one_gt.json . DISK/picture.png"),
    ],
)
def test_a_line_says_so_and_old_files_stay(
    tmp_path: Path,
    files: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: Callable[[list[str]], None],
    words: str,
    fault: str,
) -> None:
    monkeypatch.chdir(files)
    with mounted(tmp_path / "disk", "64k") as disk:
        (disk / "old.json").write_text("old")
        if fault == FULL:
            fill(disk)
        else:
            change(disk, "ro")
        with pytest.raises(UserError) as error:
            command(words.replace("DISK", str(disk)).split())
        assert fault in str(error.value)
        assert str(disk) in str(error.value)
        assert "\n" not in str(error.value)
        assert (disk / "old.json").read_text() == "old"


def test_a_prediction_goes_on_when_there_is_room(tmp_path: Path) -> None:
    records = [
        {"id": number, "file_name": "a" * 9000, "skipped": "damaged"} for number in range(20)
    ]
    with mounted(tmp_path / "disk", "64k") as disk:
        path = disk / "unfinished.jsonl"
        with (
            pytest.raises(UserError, match=rf"cannot write {path}: {FULL}"),
            Journal(path, {}) as journal,
        ):
            for record in records:
                journal.append([record])
        change(disk, "size=1m")
        with Journal(path, {}) as journal:
            done = len(journal.done)
            assert 0 < done < len(records)
            journal.append(records[done:])
            assert [*journal] == records


def test_a_prediction_without_a_finished_image_ends_in_a_line(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "64k") as disk:
        fill(disk)
        path = disk / "unfinished.jsonl"
        with (
            pytest.raises(UserError, match=rf"cannot write {path}: {FULL}"),
            Journal(path, {}) as journal,
        ):
            journal.append([{"id": 1, "file_name": "a", "skipped": "damaged"}])
        assert not path.exists()
