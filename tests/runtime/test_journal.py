"""The file of finished images: what a killed run leaves, and what another run makes of it."""

from pathlib import Path
from typing import Any

import pytest

from msrcnn_mm.errors import UserError
from msrcnn_mm.runtime.journal import Journal

SETTINGS = {"model": "abc", "inputs": "def"}


def record(number: int) -> dict[str, Any]:
    return dict(id=number, file_name=f"\u732b{number}.png", detections=[], score=0.1 + number / 3)


def begun(path: Path) -> list[dict[str, Any]]:
    records = [record(number) for number in (1, 2, 3)]
    journal = Journal(path, SETTINGS)
    journal.append(records[:2])
    journal.append(records[2:])
    return records


def test_another_run_of_the_settings_has_the_finished_images(tmp_path: Path) -> None:
    records = begun(tmp_path / "new" / "j.jsonl")
    journal = Journal(tmp_path / "new" / "j.jsonl", SETTINGS)
    assert journal.done == 3 and [*journal] == records
    journal.append([record(4)])
    assert [*journal] == [*records, record(4)]
    journal.remove()
    assert not journal.path.exists() and [*Journal(journal.path, SETTINGS)] == []


@pytest.mark.parametrize("lost", [1, 20])
def test_a_line_that_was_cut_off_is_dropped(tmp_path: Path, lost: int) -> None:
    records = begun(tmp_path / "j.jsonl")
    content = (tmp_path / "j.jsonl").read_bytes()
    (tmp_path / "j.jsonl").write_bytes(content[:-lost])
    journal = Journal(tmp_path / "j.jsonl", SETTINGS)
    assert journal.done == 2
    journal.append(records[2:])
    assert [*journal] == records and journal.path.read_bytes() == content


def test_a_first_line_that_was_cut_off_begins_anew(tmp_path: Path) -> None:
    begun(tmp_path / "j.jsonl")
    (tmp_path / "j.jsonl").write_bytes((tmp_path / "j.jsonl").read_bytes()[:10])
    assert Journal(tmp_path / "j.jsonl", SETTINGS).done == 0
    assert begun(tmp_path / "j.jsonl") == [*Journal(tmp_path / "j.jsonl", SETTINGS)]


def test_other_settings_are_refused_by_name(tmp_path: Path) -> None:
    begun(tmp_path / "j.jsonl")
    with pytest.raises(UserError, match=r"j\.jsonl: .* other settings \(inputs, views\): give"):
        Journal(tmp_path / "j.jsonl", {"model": "abc", "inputs": "x", "views": 1})
    assert Journal(tmp_path / "j.jsonl", SETTINGS).done == 3
    assert Journal(tmp_path / "j.jsonl", {}, overwrite=True).done == 0


@pytest.mark.parametrize("content", ["hello\n", "[1]\n", "{}\n"])
def test_another_file_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "j.jsonl").write_text(content)
    with pytest.raises(UserError, match=r"j\.jsonl: cannot be read as .*--overwrite"):
        Journal(tmp_path / "j.jsonl", SETTINGS)
    assert (tmp_path / "j.jsonl").read_text() == content
