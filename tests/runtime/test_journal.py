"""The file of finished images: what a killed run leaves, and what another run makes of it."""

import fcntl
import json
import subprocess
import sys
import time
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from msrcnn_mm.errors import UserError
from msrcnn_mm.runtime.journal import Journal

SETTINGS = {"model": "abc", "inputs": "def"}


def record(number: int) -> dict[str, Any]:
    row = dict(score=0.1 + number / 3)
    size = dict(width=4, height=3)
    return dict(id=number, file_name=f"\u732b{number}.png", **size, notes=[], detections=[row])


def begun(path: Path) -> list[dict[str, Any]]:
    records = [record(number) for number in (1, 2, 3)]
    with Journal(path, SETTINGS) as journal:
        journal.append(records[:2])
        journal.append(records[2:])
    return records


def done(path: Path, settings: dict[str, Any] = SETTINGS, overwrite: bool = False) -> list[int]:
    with Journal(path, settings, overwrite) as journal:
        assert [one["id"] for one in journal] == sorted(journal.done)
        return sorted(journal.done)


def test_another_run_of_the_settings_has_the_finished_images(tmp_path: Path) -> None:
    records = begun(tmp_path / "new" / "j.jsonl")
    path = tmp_path / "new" / "j.jsonl"
    with Journal(path, SETTINGS) as journal:
        assert journal.done == {1, 2, 3} and [*journal] == records and not journal.is_new
        journal.append([record(4)])
        assert [*journal] == [*records, record(4)]
        journal.remove()
    assert not path.exists() and done(path) == []
    assert not path.exists()  # it has no finished image


def test_one_process_has_it_open(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    with Journal(path, SETTINGS) as journal:
        journal.append([record(1)])
        for overwrite in (False, True):
            with pytest.raises(UserError, match=r"j\.jsonl: another process .*--out$"):
                Journal(path, SETTINGS, overwrite)
        assert [*journal] == [record(1)]
    assert done(path) == [1]


def test_a_killed_process_leaves_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    begun(path)
    script = "import fcntl, sys; file = open(sys.argv[1]); fcntl.flock(file, 2); print(flush=True)"
    words = [sys.executable, "-c", f"{script}; sys.stdin.read()", str(path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None and other.stdout.readline()
        with pytest.raises(UserError, match="another process"):
            Journal(path, SETTINGS)
        other.kill()
    assert done(path) == [1, 2, 3]


def test_a_worker_keeps_no_lock(tmp_path: Path) -> None:
    path, started = tmp_path / "j.jsonl", get_context("fork").Event()

    def work() -> None:
        started.set()
        time.sleep(60)

    worker = get_context("fork").Process(target=work)
    with Journal(path, SETTINGS) as journal:
        journal.append([record(1)])
        worker.start()
        assert started.wait(60)
        journal.append([record(2)])
    try:
        assert done(path) == [1, 2]
    finally:
        worker.kill()


def test_a_worker_does_not_move_the_place_at_which_its_parent_reads(tmp_path: Path) -> None:
    records = [dict(id=number, sample=dict(text=str(number) * 3000)) for number in range(8)]
    with Journal(tmp_path / "j.jsonl", SETTINGS) as journal:
        journal.append(records)
        read = []
        for number in range(8):  # shorter than the buffer of the file
            read.append(journal.read(number))
            worker = get_context("fork").Process(target=int)
            worker.start()
            worker.join(60)
        assert read == records


def test_a_file_that_was_removed_in_the_meantime_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "j.jsonl"
    path.write_text("")
    lock = fcntl.flock

    def removed_first(*args: Any) -> None:
        monkeypatch.undo()
        path.unlink()
        lock(*args)

    monkeypatch.setattr(fcntl, "flock", removed_first)
    begun(path)
    assert done(path) == [1, 2, 3]


def test_lines_that_are_no_records_are_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = begun(tmp_path / "j.jsonl")
    header, first, second, third = (tmp_path / "j.jsonl").read_text().splitlines()
    skipped = dict(id=4, file_name="d.png", skipped="broken")
    unread = ["garbage", "[1,2]", second[:-1], '{"id": 2}', "", '{"id": "2", "skipped": ""}']
    other = json.dumps({**records[0], "file_name": "another.png"})
    lines = [header, first, *unread, third, json.dumps(skipped), other, first]
    (tmp_path / "j.jsonl").write_text("\n".join(lines) + "\n")
    with Journal(tmp_path / "j.jsonl", SETTINGS) as journal:
        assert "lines that cannot be read: 6; they are left out" in capsys.readouterr().err
        assert [*journal] == [records[0], records[2], skipped]  # each image once
        journal.append([records[1]])
        assert [*journal] == [*records, skipped]


@pytest.mark.parametrize("lost", [1, 20])
def test_a_line_that_was_cut_off_is_dropped(tmp_path: Path, lost: int) -> None:
    records = begun(tmp_path / "j.jsonl")
    content = (tmp_path / "j.jsonl").read_bytes()
    (tmp_path / "j.jsonl").write_bytes(content[:-lost])
    with Journal(tmp_path / "j.jsonl", SETTINGS) as journal:
        assert journal.done == {1, 2}
        journal.append(records[2:])
        assert [*journal] == records and journal.path.read_bytes() == content


def test_a_first_line_that_was_cut_off_begins_anew(tmp_path: Path) -> None:
    begun(tmp_path / "j.jsonl")
    (tmp_path / "j.jsonl").write_bytes((tmp_path / "j.jsonl").read_bytes()[:10])
    assert done(tmp_path / "j.jsonl") == []
    begun(tmp_path / "j.jsonl")
    assert done(tmp_path / "j.jsonl") == [1, 2, 3]


def test_other_settings_are_refused_by_name(tmp_path: Path) -> None:
    begun(tmp_path / "j.jsonl")
    with pytest.raises(UserError, match=r"j\.jsonl: .* other settings \(inputs\): give"):
        Journal(tmp_path / "j.jsonl", {"model": "abc", "inputs": "x", "views": 1})
    with pytest.raises(UserError, match=r"other settings \(inputs, views\): give"):
        Journal(tmp_path / "j.jsonl", {"model": "abc", "views": 1})
    assert done(tmp_path / "j.jsonl") == [1, 2, 3]
    assert done(tmp_path / "j.jsonl", {}, overwrite=True) == []


@pytest.mark.parametrize("content", ["hello\n", "[1]\n", "{}\n", '{"settings": 1}\n'])
def test_another_file_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "j.jsonl").write_text(content)
    with pytest.raises(UserError, match=r"j\.jsonl: cannot be read as .*--overwrite"):
        Journal(tmp_path / "j.jsonl", SETTINGS)
    assert (tmp_path / "j.jsonl").read_text() == content
