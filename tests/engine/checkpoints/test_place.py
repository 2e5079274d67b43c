"""The last checkpoint of work folders that were moved, copied and cut short."""

import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config

from msrcnn_mm.engine.checkpoints.place import CheckpointPlace
from msrcnn_mm.errors import CheckpointError


def write(folder: Path, *numbers: int, template: str = "epoch_{}.pth") -> Path:
    """Writes checkpoints, and the last of them into ``last_checkpoint``."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        with zipfile.ZipFile(folder / template.format(number), "w") as archive:
            archive.writestr("data", bytes(1000))
        record(folder, folder / template.format(number))
    return folder


def record(folder: Path, named: Path | str) -> None:
    (folder / "last_checkpoint").write_text(str(named))


def cut(path: Path) -> None:
    """Leaves of a file what a run that is killed while it saves may leave."""
    path.write_bytes(path.read_bytes()[:500])


def place(work_dir: Path, **hook: Any) -> CheckpointPlace:
    return CheckpointPlace.of_config(
        Config(dict(work_dir=str(work_dir), default_hooks=dict(checkpoint=hook)))
    )


def last(work_dir: Path, **hook: Any) -> tuple[Path, str | None]:
    found = place(work_dir, **hook).last()
    assert found is not None
    return Path(found.path), found.note


def test_a_folder_that_was_moved(tmp_path: Path) -> None:
    moved = write(tmp_path / "run", 1, 2).rename(tmp_path / "moved")
    assert last(moved) == (moved / "epoch_2.pth", None)


def test_a_copy_while_the_original_trains_on(tmp_path: Path) -> None:
    run = write(tmp_path / "run", 1, 2)
    copy = Path(shutil.copytree(run, tmp_path / "copy"))
    write(run, 3)
    assert last(copy) == (copy / "epoch_2.pth", None)
    assert last(run) == (run / "epoch_3.pth", None)


def test_a_folder_that_comes_from_windows(tmp_path: Path) -> None:
    record(write(tmp_path, 1, 2), r"C:\Users\me\work_dirs\mine\epoch_2.pth")
    assert last(tmp_path) == (tmp_path / "epoch_2.pth", None)


def test_a_folder_named_from_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = write(tmp_path / "a" / "run", 1)
    record(run, "a/run/epoch_1.pth")
    monkeypatch.chdir(run.parent)
    assert last(Path("run")) == (run / "epoch_1.pth", None)


@pytest.mark.parametrize(
    "template", ["epoch_{}.pth", "iter_{}.pth", "of (mine) [{}].pth"], ids=["epoch", "iter", "own"]
)
@pytest.mark.parametrize("recorded", [None, "", " \n", "\0", "nothing like a name" * 99])
def test_without_a_record_it_is_the_one_of_the_highest_number(
    template: str, recorded: str | None, tmp_path: Path
) -> None:
    write(tmp_path, 2, 10, 9, template=template)
    (tmp_path / "best_coco_segm_mAP_epoch_11.pth").touch()
    (tmp_path / "last_checkpoint").unlink()
    if recorded is not None:
        record(tmp_path, recorded)
    path, note = last(tmp_path, filename_tmpl=template)
    assert path == tmp_path / template.format(10)
    assert note is not None
    assert f"the training resumes from {path}" in note


def test_iterations_have_names_of_their_own(tmp_path: Path) -> None:
    write(write(tmp_path, 12), 500, 1000, template="iter_{}.pth")
    (tmp_path / "last_checkpoint").unlink()
    assert last(tmp_path, by_epoch=False)[0] == tmp_path / "iter_1000.pth"
    assert last(tmp_path)[0] == tmp_path / "epoch_12.pth"


def test_a_recorded_checkpoint_that_is_gone(tmp_path: Path) -> None:
    """An earlier one is taken, not one that a longer training left before."""
    write(tmp_path, 1, 2, 3, 12)
    record(tmp_path, tmp_path / "epoch_4.pth")
    path, note = last(tmp_path)
    assert path == tmp_path / "epoch_3.pth"
    assert note is not None
    assert f"last_checkpoint names {tmp_path}/epoch_4.pth, which is missing or damaged" in note


def test_a_checkpoint_that_was_not_written_to_its_end(tmp_path: Path) -> None:
    write(tmp_path, 1, 2, 3)
    cut(tmp_path / "epoch_3.pth")
    assert last(tmp_path)[0] == tmp_path / "epoch_2.pth"
    record(tmp_path, tmp_path / "epoch_2.pth")
    assert last(tmp_path) == (tmp_path / "epoch_2.pth", None)
    cut(tmp_path / "epoch_1.pth")
    cut(tmp_path / "epoch_2.pth")
    with pytest.raises(CheckpointError) as caught:
        place(tmp_path).last()
    assert str(caught.value) == (
        f"{tmp_path}/epoch_2.pth: is damaged, and {tmp_path} has no whole checkpoint before it: "
        "copy it again, or name one to resume from (--resume FILE); to start from the beginning, "
        "remove the file last_checkpoint"
    )
    (tmp_path / "last_checkpoint").unlink()
    assert place(tmp_path).last() is None  # a training that was killed at its first checkpoint


def test_a_record_of_another_folder_alone_is_refused(tmp_path: Path) -> None:
    run = write(tmp_path / "run", 1)
    (tmp_path / "copy").mkdir()
    shutil.copy(run / "last_checkpoint", tmp_path / "copy")
    message = rf"^{tmp_path}/copy/last_checkpoint names {run}/epoch_1.pth, and .*--resume FILE"
    with pytest.raises(CheckpointError, match=message) as caught:
        place(tmp_path / "copy").last()
    assert "\n" not in str(caught.value)


def test_a_folder_without_a_checkpoint(tmp_path: Path) -> None:
    assert place(tmp_path).last() is None
    assert place(tmp_path / "not made").last() is None
    record(tmp_path, "")
    with pytest.raises(CheckpointError, match=r"names no checkpoint, and .* remove the file last_"):
        place(tmp_path).last()


def test_checkpoints_that_are_kept_elsewhere(tmp_path: Path) -> None:
    """In ``out_dir``, in a folder with the work folder's name."""
    run = write(tmp_path / "run", 7)  # of a training before
    elsewhere = write(tmp_path / "store" / "run", 1, 2)
    record(run, elsewhere / "epoch_2.pth")
    store = dict(out_dir=str(tmp_path / "store"))
    assert last(run, **store) == (elsewhere / "epoch_2.pth", None)
    assert last(run, out_dir=f"{tmp_path}/store/") == (elsewhere / "epoch_2.pth", None)
    copy = Path(shutil.copytree(run, tmp_path / "copy"))
    with pytest.raises(CheckpointError, match=rf"{tmp_path}/store/copy has none to resume from"):
        place(copy, **store).last()
    record(run, run / "epoch_7.pth")
    assert last(run, out_dir=str(run)) == (run / "epoch_7.pth", None)


def test_checkpoints_at_an_address(tmp_path: Path) -> None:
    record(write(tmp_path / "run"), "s3://store/run/epoch_2.pth")
    found = place(tmp_path / "run", out_dir="s3://store").last()
    assert found == ("s3://store/run/epoch_2.pth", None)
    with pytest.raises(CheckpointError):
        place(tmp_path / "run", out_dir="s3://other").last()


def test_the_newest_checkpoint_and_its_time(tmp_path: Path) -> None:
    own = place(tmp_path)
    assert own.newest() is None
    write(tmp_path, 1, 2)
    assert own.newest() == (
        f"{tmp_path}/epoch_2.pth",
        (tmp_path / "epoch_2.pth").stat().st_mtime_ns,
    )
    for number in (1, 2):
        (tmp_path / f"epoch_{number}.pth").unlink()
    assert own.newest() is None
    record(tmp_path, f"s3://bucket/{tmp_path.name}/epoch_3.pth")
    stored = place(tmp_path, out_dir="s3://bucket")
    assert stored.newest() == (f"s3://bucket/{tmp_path.name}/epoch_3.pth", 0)


@pytest.mark.parametrize("how", ["cut", "flipped", "zeros", "empty"])
def test_a_damaged_checkpoint_is_passed_over(how: str, tmp_path: Path) -> None:
    """Damage of any kind: torch writes a checksum of each part."""
    for number in (1, 2):
        torch.save(dict(weights=torch.arange(999.0)), tmp_path / f"epoch_{number}.pth")
    last_one = tmp_path / "epoch_2.pth"
    record(tmp_path, last_one)
    content = bytearray(last_one.read_bytes())
    half = len(content) // 2
    damaged = dict(
        cut=content[:half],
        flipped=content[:half] + bytes([content[half] ^ 1]) + content[half + 1 :],
        zeros=content[:half] + bytes(100) + content[half + 100 :],
        empty=b"",
    )
    last_one.write_bytes(damaged[how])
    assert last(tmp_path)[0] == tmp_path / "epoch_1.pth"


def test_the_only_checkpoint_in_the_format_of_an_old_torch(tmp_path: Path) -> None:
    path = tmp_path / "epoch_1.pth"
    torch.save({}, path, _use_new_zipfile_serialization=False)
    record(tmp_path, path)
    assert last(tmp_path) == (path, None)
