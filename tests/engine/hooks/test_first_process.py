"""Two processes of which the first works and the other waits."""

from pathlib import Path

import pytest
from torch import distributed, multiprocessing

from msrcnn_mm.engine.hooks.first_process import run_in_first_process
from msrcnn_mm.errors import CheckpointError


class UnsendableError(Exception):
    """An error that pickle cannot write."""

    def __init__(self) -> None:
        super().__init__("no disk")
        self.reason = lambda: None


def process(rank: int, folder: Path, error: BaseException | None) -> None:
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2
    )

    def work() -> None:
        with (folder / "workers").open("a") as file:
            file.write(str(rank))
        if error is not None:
            raise error

    outcome = "done"
    try:
        run_in_first_process(work)
    except BaseException as raised:
        outcome = f"{type(raised).__name__}: {raised}"
    (folder / f"{rank}.txt").write_text(outcome)


@pytest.mark.parametrize(
    ("error", "first", "other"),
    [
        (None, "done", "done"),
        (CheckpointError("none"), "CheckpointError: none", "CheckpointError: none"),
        (
            PermissionError(13, "denied"),
            "PermissionError: [Errno 13] denied",
            "RuntimeError: the first process failed: PermissionError: [Errno 13] denied",
        ),
        (
            UnsendableError(),
            "UnsendableError: no disk",
            "RuntimeError: the first process failed: UnsendableError: no disk",
        ),
        (SystemExit(3), "SystemExit: 3", "RuntimeError: the first process failed: SystemExit: 3"),
    ],
)
def test_the_other_process_ends_as_the_first_does(
    tmp_path: Path, error: BaseException | None, first: str, other: str
) -> None:
    workers = multiprocessing.start_processes(
        process, (tmp_path, error), nprocs=2, join=False, start_method="fork"
    )
    try:
        assert workers.join(timeout=60) or workers.join(timeout=60)
    finally:
        for worker in workers.processes:
            worker.kill()
    assert [(tmp_path / f"{rank}.txt").read_text() for rank in (0, 1)] == [first, other]
    assert (tmp_path / "workers").read_text() == "0"


@pytest.mark.parametrize("error", [CheckpointError("none"), PermissionError(13, "denied")])
def test_one_process_raises_its_error(error: Exception) -> None:
    def work() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        run_in_first_process(work)
    assert caught.value is error
