"""Comparison of checkpoints with the model by any runner whose config names the hook."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import BaseLoop, Runner

from msrcnn_mm.engine.hooks import checkpoint_fit
from msrcnn_mm.engine.hooks.checkpoint_fit import CheckpointFitHook
from msrcnn_mm.errors import CheckpointError
from msrcnn_mm.models.hosts.frozen_host import FrozenHost
from tests.engine.checkpoints.test_fit import network
from tests.support.coco_files import write_data_set
from tests.support.small_runs import CLASSES, small_config


class Loop(BaseLoop):
    def __init__(self, classes: tuple[str, ...]) -> None:
        self.dataloader: Any = SimpleNamespace(
            dataset=SimpleNamespace(metainfo=dict(classes=classes))
        )

    def run(self) -> None: ...


def runner(**parts: Any) -> Any:
    loops = dict(_train_loop={}, _val_loop={}, _test_loop=None)
    defaults = dict(model=network(a=2), _resume=False, _load_from="x.pth", **loops)
    return SimpleNamespace(**{**defaults, **parts})


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Returns what the hook logs from now on."""
    texts: list[str] = []
    monkeypatch.setattr(checkpoint_fit, "print_log", lambda text, **_: texts.append(text))
    return texts


@pytest.mark.parametrize(
    ("parts", "refused"),
    [
        (dict(_test_loop=Loop(("a",))), "2 missing"),
        (dict(_val_loop=Loop(("a",))), "2 missing"),
        (dict(_train_loop=Loop(("a",)), _resume=True), "2 missing"),
        (dict(_train_loop=Loop(("a",)), _val_loop=Loop(("a",))), None),
        (dict(), None),  # loaded by hand, before a run
    ],
)
def test_the_use_is_that_of_the_loop_that_is_built(parts: dict, refused: str | None) -> None:
    checkpoint = dict(state_dict=network(a=2).state_dict(), meta={})
    run = runner(model=network(a=2, b=3), **parts)
    if refused is None:
        CheckpointFitHook().after_load_checkpoint(run, checkpoint)
    else:
        with pytest.raises(CheckpointError, match=rf"^x.pth: .*{refused}"):
            CheckpointFitHook().after_load_checkpoint(run, checkpoint)


@pytest.mark.parametrize(("learnt", "warned"), [(("b", "a"), True), (("a", "b"), False)])
def test_labels_learnt_for_other_names(
    learnt: tuple[str, ...], warned: bool, said: list[str]
) -> None:
    run = runner(_test_loop=Loop(("a", "b")))
    meta = dict(dataset_meta=dict(classes=learnt))
    checkpoint = dict(state_dict=run.model.state_dict(), meta=meta)
    CheckpointFitHook().after_load_checkpoint(run, checkpoint)
    assert bool(said) == warned


@pytest.mark.parametrize(("learnt", "warned"), [(("b", "a"), True), (("a", "b"), False)])
def test_a_frozen_host_that_learnt_other_names(
    learnt: tuple[str, ...], warned: bool, said: list[str]
) -> None:
    model = FrozenHost.__new__(FrozenHost)
    vars(model).update(
        host_checkpoint="host.pth", host_meta=dict(dataset_meta=dict(classes=learnt))
    )
    CheckpointFitHook().before_train(runner(model=model, train_loop=Loop(("a", "b"))))
    assert [text[:46] for text in said] == [
        "host.pth: was trained for the classes (b, a), "
    ] * warned


def test_data_sets_that_differ_in_colours_have_a_list_of_meta_information(said: list[str]) -> None:
    for learnt in (("a", "b"), ("b", "a")):
        run = runner(_test_loop=Loop(("a", "b")))
        own = run._test_loop.dataloader.dataset.metainfo
        run._test_loop.dataloader.dataset.metainfo = [own, dict(own, palette=[(1, 2, 3)] * 2)]
        meta = dict(dataset_meta=[dict(classes=learnt), dict(classes=learnt, palette=[])])
        checkpoint = dict(state_dict=run.model.state_dict(), meta=meta)
        CheckpointFitHook().after_load_checkpoint(run, checkpoint)
    assert len(said) == 1 and "was trained for the classes (b, a)" in said[0]


@pytest.mark.parametrize(
    ("settings", "use"), [(dict(resume=True), "resume"), (dict(resume=False), "finetune")]
)
def test_mmengines_runner_alone_refuses_an_unfit_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict, use: str
) -> None:
    monkeypatch.chdir(tmp_path)
    config = Config.fromfile(small_config(write_data_set(tmp_path / "data", CLASSES)))
    torch.save(dict(state_dict=network(a=2).state_dict(), meta={}), "other.pth")
    config.merge_from_dict(dict(work_dir="work", load_from="other.pth", **settings))
    monkeypatch.setattr(
        "mmengine.runner.loops.EpochBasedTrainLoop.run_iter", lambda *_: pytest.fail("an iteration")
    )
    config.default_hooks.checkpoint_fit = dict(type="CheckpointFitHook")
    with pytest.raises(CheckpointError) as caught:
        Runner.from_cfg(config).train()
    assert str(caught.value).startswith("other.pth: its weights do not fit the model: ")
    assert "\n" not in str(caught.value)
