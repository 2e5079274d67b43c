"""The checks before a run, by mmengine's runner alone."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mmengine.config import Config
from mmengine.runner import Runner
from torch import distributed, multiprocessing

from msrcnn_mm.engine.hooks import run_checks
from msrcnn_mm.engine.hooks.run_checks import RunChecksHook
from msrcnn_mm.errors import UserError
from tests.engine.hooks.test_checkpoint_fit import Loop
from tests.support.coco_files import write_data_set
from tests.support.small_runs import CLASSES, small_config


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """A config that names the hook, as those in configs/_base_ do."""
    monkeypatch.chdir(tmp_path)
    config = Config.fromfile(small_config(write_data_set(tmp_path / "data", CLASSES)))
    config.default_hooks.run_checks = dict(type="RunChecksHook")
    config.work_dir = "work"
    return config


def test_a_wrong_class_list_is_one_line_before_the_first_iteration(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    for split in ("train", "val", "test"):
        config[f"{split}_dataloader"].dataset.metainfo = dict(classes=("disk", "boxes", "star"))
    monkeypatch.setattr(
        "mmengine.runner.loops.EpochBasedTrainLoop.run_iter", lambda *_: pytest.fail("an iteration")
    )
    with pytest.raises(UserError, match=r"'boxes' \(is it 'box'\?\)") as caught:
        Runner.from_cfg(config).train()
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match=r"'boxes' \(is it 'box'\?\)"):
        Runner.from_cfg(config).test()


def test_each_split_is_checked_once_when_its_loop_is_built(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []
    monkeypatch.setattr(run_checks, "check_run", lambda config, splits: seen.append([*splits]))
    monkeypatch.setattr("mmengine.runner.loops.EpochBasedTrainLoop.run", lambda loop: None)
    monkeypatch.setattr("mmengine.runner.loops.TestLoop.run", lambda loop: {})
    runner = Runner.from_cfg(config)
    assert sum(isinstance(hook, RunChecksHook) for hook in runner.hooks) == 1
    runner.train()
    runner.test()
    assert seen == [["train", "val"], ["test"]]


def defect(*_: Any) -> None:
    raise ZeroDivisionError("a defect")


def check_as_process(rank: int, folder: Path, config: Config, check: Any) -> None:
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2
    )
    run_checks.check_run = check
    if rank > 0:
        run_checks.check_run = lambda *args: pytest.fail("checked by another process")
    runner: Any = SimpleNamespace(
        cfg=config, _train_loop=Loop(CLASSES), _val_loop=None, _test_loop=None
    )
    try:
        RunChecksHook().before_run(runner)
    except (UserError, ZeroDivisionError, RuntimeError) as error:
        (folder / f"{rank}.txt").write_text(str(error))


@pytest.mark.parametrize(
    ("check", "says"), [(run_checks.check_run, "'boxes' (is it 'box'?)"), (defect, "a defect")]
)
def test_a_mistake_that_the_first_process_finds_ends_all(
    config: Config, tmp_path: Path, check: Any, says: str
) -> None:
    config.train_dataloader.dataset.metainfo = dict(classes=("disk", "boxes", "star"))
    workers = multiprocessing.start_processes(
        check_as_process, (tmp_path, config, check), nprocs=2, join=False, start_method="fork"
    )
    try:
        assert workers.join(timeout=60) or workers.join(timeout=60)
    finally:
        for worker in workers.processes:
            worker.kill()
    first, other = ((tmp_path / f"{rank}.txt").read_text() for rank in (0, 1))
    assert says in first
    assert other.endswith(first)
