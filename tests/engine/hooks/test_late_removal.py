"""An old checkpoint stays until its successor is written."""

from pathlib import Path

import pytest
from mmengine.runner import Runner

from msrcnn_mm.engine.hooks.late_removal import LateRemovalHook
from tests.support.exact_runs import train


def test_a_disk_that_fills_up_leaves_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = Runner.save_checkpoint

    def fill(runner: Runner, out_dir: str, filename: str, *args: object, **kwargs: object) -> None:
        if filename == "iter_3.pth":
            raise OSError(28, "No space left on device")
        save(runner, out_dir, filename, *args, **kwargs)

    monkeypatch.setattr(Runner, "save_checkpoint", fill)
    for hooks, left in (([LateRemovalHook()], ["iter_2.pth"]), ([], [])):
        folder = tmp_path / str(len(hooks))
        with pytest.raises(OSError, match="No space"):
            train(folder, hooks=hooks, checkpoint=dict(max_keep_ckpts=1))
        assert [path.name for path in folder.glob("*.pth")] == left


def test_as_many_checkpoints_stay_as_without_the_hook(tmp_path: Path) -> None:
    for hooks in ([LateRemovalHook()], []):
        folder = tmp_path / str(len(hooks))
        train(folder, hooks=hooks, checkpoint=dict(max_keep_ckpts=2))
        assert sorted(path.name for path in folder.glob("*.pth")) == ["iter_14.pth", "iter_15.pth"]
