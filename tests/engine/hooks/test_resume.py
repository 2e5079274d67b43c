"""Resuming by mmengine's runner, in folders that were moved and copied."""

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mmengine.evaluator import BaseMetric
from mmengine.runner import Runner
from torch import distributed, multiprocessing

from msrcnn_mm.engine.checkpoints.place import CheckpointPlace
from msrcnn_mm.engine.hooks import resume
from msrcnn_mm.errors import CheckpointError
from tests.support.toy_runs import read_checkpoint, train

STEPS = [dict(type="MultiStepLR", milestones=[4])]


def loaded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    files: list[str] = []
    original = Runner.load_checkpoint

    def load(runner: Runner, filename: str, *args: Any, **kwargs: Any) -> dict:
        files.append(filename)
        return original(runner, filename, *args, **kwargs)

    monkeypatch.setattr(Runner, "load_checkpoint", load)
    return files


def test_moved_and_copied_folders_resume_from_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, copy, moved = (tmp_path / name for name in ("run", "copy", "moved"))
    train(run, STEPS, 2)
    shutil.copytree(run, copy)
    run.rename(moved)
    train(run, STEPS, 2)  # another training, where the first one was
    files = loaded(monkeypatch)
    for folder in (copy, moved, run):
        train(folder, STEPS, 3, resume=True)
        assert (folder / "last_checkpoint").read_text() == str(folder / "epoch_3.pth")
    assert files == [str(folder / "epoch_2.pth") for folder in (copy, moved, run)]


def test_a_checkpoint_that_the_run_names_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(tmp_path / "run", STEPS, 2)
    files = loaded(monkeypatch)
    named = str(tmp_path / "run" / "epoch_1.pth")
    train(tmp_path / "other", STEPS, 2, resume=True, load_from=named)
    train(tmp_path / "run", STEPS, 2, load_from=named)
    assert files == [named, named]


def test_the_last_whole_checkpoint_is_taken_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(resume, "print_log", lambda text, **_: said.append(text))
    train(tmp_path, STEPS, 3)
    newest = tmp_path / "epoch_3.pth"
    newest.write_bytes(newest.read_bytes()[:1000])
    files = loaded(monkeypatch)
    train(tmp_path, STEPS, 3, resume=True)
    assert files == [str(tmp_path / "epoch_2.pth")]
    assert said == [
        f"{tmp_path}/last_checkpoint names {newest}, which is missing or damaged: "
        f"the training resumes from {tmp_path}/epoch_2.pth, the last one there is"
    ]


def test_a_folder_that_lost_its_checkpoint(tmp_path: Path) -> None:
    train(tmp_path, STEPS, 1)
    (tmp_path / "epoch_1.pth").unlink()
    with pytest.raises(CheckpointError, match="has none to resume from"):
        train(tmp_path, STEPS, 2, resume=True)


def resume_as_process(rank: int, folder: Path) -> None:
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2
    )
    CheckpointPlace.record = refuse  # type: ignore[method-assign]
    runner: Any = SimpleNamespace(
        _resume=True, _load_from=None, _has_loaded=False, work_dir=str(folder), hooks=[]
    )
    try:
        resume.ResumeHook().before_run(runner)
    except (PermissionError, RuntimeError) as error:
        (folder / f"{rank}.txt").write_text(str(error))


def refuse(*_: Any) -> None:
    raise PermissionError("read-only")


def test_a_folder_that_cannot_be_written_ends_all_processes(tmp_path: Path) -> None:
    train(tmp_path, STEPS, 1)
    workers = multiprocessing.start_processes(
        resume_as_process, (tmp_path,), nprocs=2, join=False, start_method="fork"
    )
    try:
        assert workers.join(timeout=60) or workers.join(timeout=60)
    finally:
        for worker in workers.processes:
            worker.kill()
    first, other = ((tmp_path / f"{rank}.txt").read_text() for rank in (0, 1))
    assert (first, other) == (
        "read-only",
        "the first process failed: PermissionError: read-only",
    )


def test_a_folder_without_checkpoints_starts_from_the_beginning(tmp_path: Path) -> None:
    assert train(tmp_path, STEPS, 1, resume=True)[0][0] == 0


def test_checkpoints_in_a_folder_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = dict(out_dir=str(tmp_path / "store"))
    train(tmp_path / "run", STEPS, 2, checkpoint=elsewhere)
    files = loaded(monkeypatch)
    train(tmp_path / "run", STEPS, 3, checkpoint=elsewhere, resume=True)
    assert files == [str(tmp_path / "store" / "run" / "epoch_2.pth")]


class Rising(BaseMetric):
    """Calls every epoch better than the one before."""

    epoch = 0

    def process(self, data_batch: Any, data_samples: Any) -> None:
        self.results.append(None)

    def compute_metrics(self, results: list) -> dict:
        Rising.epoch += 1
        return dict(acc=float(Rising.epoch))


def test_a_copy_leaves_the_best_checkpoint_of_its_original(tmp_path: Path) -> None:
    """``CheckpointHook`` deletes the best one for a better one, by the path it recorded."""
    run, copy, new = (tmp_path / name for name in ("run", "copy", "new"))
    settings: Any = dict(checkpoint=dict(save_best="acc"), metric=dict(type=Rising))
    train(run, STEPS, 2, **settings)
    shutil.copytree(run, copy)
    train(copy, STEPS, 3, resume=True, **settings)
    assert [path.name for path in copy.glob("best*")] == ["best_acc_epoch_3.pth"]
    train(new, STEPS, 3, resume=True, load_from=str(run / "epoch_2.pth"), **settings)
    assert [path.name for path in new.glob("best*")] == ["best_acc_epoch_3.pth"]
    assert [path.name for path in run.glob("best*")] == ["best_acc_epoch_2.pth"]
    best = read_checkpoint(copy / "epoch_3.pth")["message_hub"]["runtime_info"]
    assert best["best_ckpt"] == str(copy / "best_acc_epoch_3.pth")
