"""Trainings that are killed and terminated end with the weights of one that was not."""

import os
import random
import signal
import time
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook

from msrcnn_mm.engine.checkpoints.place import CheckpointPlace
from msrcnn_mm.engine.checkpoints.writing import register_atomic_backend
from msrcnn_mm.engine.hooks.late_removal import LateRemovalHook
from msrcnn_mm.engine.hooks.termination import TerminationHook
from tests.support.exact_runs import ITERATIONS, digest, train
from tests.support.processes import run_python
from tests.support.toy_runs import read_checkpoint

KILLS = 20
EPOCHS = 8
LAST = "iter_40.pth"


class Slow(Hook):
    """Has a step take as long as that of a small network."""

    def before_train_iter(self, *args: Any, **kwargs: Any) -> None:
        time.sleep(0.02)


def long_run(folder: Path) -> None:
    """Trains, or resumes, with a checkpoint after each step of which the last two stay."""
    register_atomic_backend()
    train(
        folder,
        workers=1,
        hooks=[Slow(), LateRemovalHook()],
        loop=dict(by_epoch=True, max_epochs=EPOCHS),
        checkpoint=dict(max_keep_ckpts=2),
        resume=True,
    )


def start(folder: Path) -> BaseProcess:
    """Starts it in a process of its own; a fork saves the seconds of the imports."""
    process = get_context("fork").Process(target=long_run, args=(folder,))
    process.start()
    return process


def test_kills_at_random_moments(tmp_path: Path, record_property: Any) -> None:
    begin = time.monotonic()
    long_run(tmp_path / "whole")
    seconds = time.monotonic() - begin  # beside other programs a run takes longer
    moments = random.Random(0)
    kills, begun = 0, set()
    folder = tmp_path / "killed"
    for _ in range(10 * KILLS):
        process = start(folder)
        if kills < KILLS:
            process.join(moments.uniform(0.1, 0.5) * seconds)
        else:
            process.join()
        if process.exitcode is None:
            os.kill(process.pid or 0, signal.SIGKILL)
            process.join()
            kills += 1
            last = CheckpointPlace(str(folder), str(folder), "iter_{}.pth").last()
            begun.add(last and Path(last.path).name)
        elif kills < KILLS:  # it was over before: from the beginning again
            assert digest(folder / LAST) == digest(tmp_path / "whole" / LAST)
            folder = folder.with_name(f"{folder.name}+")
        else:
            break
    assert kills == KILLS
    assert len(begun) > 3
    assert digest(folder / LAST) == digest(tmp_path / "whole" / LAST)
    record_property("checkpoints of which killed runs were resumed", sorted(map(str, begun)))


class Stop(Hook):
    """Sends SIGTERM to this process, in an iteration or a validation."""

    def __init__(self, iteration: int, stage: str) -> None:
        self.iteration, self.stage = iteration, stage

    def before_train_iter(self, runner: Any, *args: Any, **kwargs: Any) -> None:
        self._stop("train", runner)

    def before_val_iter(self, runner: Any, *args: Any, **kwargs: Any) -> None:
        self._stop("val", runner)

    def _stop(self, stage: str, runner: Any) -> None:
        if stage == self.stage and runner.iter == self.iteration:
            self.iteration = -1
            os.kill(os.getpid(), signal.SIGTERM)


class Counted(BaseMetric):
    """Counts validations; each is better than the one before."""

    count = 0

    def process(self, data_batch: Any, data_samples: Any) -> None:
        self.results.append(None)

    def compute_metrics(self, results: list) -> dict:
        Counted.count += 1
        return dict(acc=float(Counted.count))


@pytest.mark.parametrize(("iteration", "stage"), [(7, "train"), (10, "val")])
def test_sigterm_saves_and_ends(tmp_path: Path, iteration: int, stage: str) -> None:
    settings: Any = dict(metric=dict(type=Counted), checkpoint=dict(interval=ITERATIONS))
    train(tmp_path / "whole", **settings)
    before, Counted.count = signal.getsignal(signal.SIGTERM), 0
    run = tmp_path / "run"
    with pytest.raises(SystemExit) as ended:
        train(run, hooks=[TerminationHook(), Stop(iteration, stage)], **settings)
    assert ended.value.code == 143
    assert signal.getsignal(signal.SIGTERM) == before
    assert (run / "last_checkpoint").read_text() == str(run / "interrupted.pth")
    done = iteration + (stage == "train")
    assert read_checkpoint(run / "interrupted.pth")["meta"]["iter"] == done
    again = train(run, resume=True, **settings)
    assert min(again) == done
    last = f"iter_{ITERATIONS}.pth"
    assert digest(run / last) == digest(tmp_path / "whole" / last)
    assert Counted.count == 3  # of one an epoch, none twice and none left out


def test_workers_outlive_sigterm_and_a_second_one_ends_the_run(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    received: list[Any] = []
    signal.signal(signal.SIGTERM, lambda *_: received.append(1))
    try:

        class Twice(Hook):
            def before_train_iter(self, runner: Any, *args: Any, **kwargs: Any) -> None:
                for worker in runner.train_dataloader._iterator._workers:
                    os.kill(worker.pid, signal.SIGTERM)
                for _ in range(2):
                    os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(0.5)

        with pytest.raises(SystemExit):
            train(
                tmp_path,
                workers=1,
                hooks=[TerminationHook(), Twice()],
                loader=dict(persistent_workers=True),
            )
    finally:
        signal.signal(signal.SIGTERM, before)
    assert received == [1]
    assert (tmp_path / "interrupted.pth").is_file()


RUN = """
import os, signal, sys, time
from pathlib import Path
from mmengine.hooks import Hook
from torch import distributed
from msrcnn_mm.engine.hooks.termination import TerminationHook
from tests.support.exact_runs import train

class Terminates(Hook):
    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == 3 and os.environ.get("RANK") == "1":
            os.kill(os.getpid(), signal.SIGTERM)

    def before_save_checkpoint(self, runner, checkpoint):
        time.sleep(0.5 * (runner.iter >= 3))

if "RANK" in os.environ:
    distributed.init_process_group("gloo")
train(
    Path(sys.argv[1]),
    workers=1,
    loader=dict(persistent_workers=True, drop_last=True),
    hooks=[TerminationHook(), Terminates()],
    checkpoint=dict(interval=99),
)
"""


def test_a_training_with_workers_that_outlive_sigterm_ends(tmp_path: Path) -> None:
    (tmp_path / "run.py").write_text(RUN)
    done = run_python(tmp_path / "run.py", tmp_path / "run", timeout=300)
    assert not done.returncode, done.stderr[-2000:]


def test_sigterm_of_one_process_saves_before_any_of_them_ends(tmp_path: Path) -> None:
    (tmp_path / "run.py").write_text(RUN)
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", 2]
    done = run_python(*launcher, tmp_path / "run.py", tmp_path / "run", timeout=300)
    assert done.returncode
    assert (tmp_path / "run" / "last_checkpoint").read_text().endswith("interrupted.pth")
    assert read_checkpoint(tmp_path / "run" / "interrupted.pth")["meta"]["iter"] == 4
