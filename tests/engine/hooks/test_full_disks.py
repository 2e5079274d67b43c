"""Trainings whose disk fills up or turns read-only: real disks in memory, mounted by root."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from mmengine.hooks import Hook

from msrcnn_mm.engine.checkpoints.place import CheckpointPlace
from msrcnn_mm.engine.checkpoints.writing import register_atomic_backend
from msrcnn_mm.engine.hooks.late_removal import LateRemovalHook
from msrcnn_mm.errors import CheckpointWriteError
from tests.support.disks import change, mounted, read_only
from tests.support.exact_runs import ITERATIONS, digest, train

LAST = f"iter_{ITERATIONS}.pth"
KEPT: dict[str, Any] = dict(checkpoint=dict(max_keep_ckpts=1))


class ReadOnly(Hook):
    """Has the folder turn read-only, as Linux does after an error of the disk."""

    def __init__(self, mounts: ExitStack) -> None:
        self.mounts = mounts

    def before_train_iter(self, runner: Any, *args: Any, **kwargs: Any) -> None:
        if runner.iter == 3:
            self.mounts.enter_context(read_only(Path(runner.work_dir)))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Returns the digest of the last checkpoint of a training without a fault."""
    folder = tmp_path_factory.mktemp("whole")
    train(folder, **KEPT)
    return digest(folder / LAST)


@pytest.mark.parametrize(
    ("size", "hooks", "reason"),
    [("5m", [], "No space left on device"), ("64m", [ReadOnly], "Read-only file system")],
    ids=["full", "read-only"],
)
def test_the_last_checkpoint_is_whole_and_the_training_resumes(
    tmp_path: Path, whole: str, size: str, hooks: list[Any], reason: str
) -> None:
    """A checkpoint has 4 MB, and a second one does not fit beside it."""
    register_atomic_backend()
    with mounted(tmp_path / "disk", size) as disk:
        run = disk / "run"
        with ExitStack() as mounts, pytest.raises(CheckpointWriteError) as error:
            faults = [hook(mounts) for hook in hooks]
            train(run, hooks=[LateRemovalHook(), *faults], **KEPT)
        assert f"cannot be written ({reason}): make room on the disk" in str(error.value)
        last = CheckpointPlace(str(run), str(run), "iter_{}.pth").last()
        (left,) = run.glob("*.pth*")
        assert last == (str(left), None)
        change(disk, "size=64m")
        losses = train(run, hooks=[LateRemovalHook()], resume=True, **KEPT)
        assert min(losses) == int(left.stem.partition("_")[2])
        assert digest(run / LAST) == whole
