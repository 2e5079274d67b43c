"""Checkpoints of mmengine's trainings load, pickles that run code do not, misfits are named."""

import os
import pickle
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from mmdet.apis import DetInferencer
from mmengine.optim import (
    CosineAnnealingLR,
    LinearLR,
    MultiStepLR,
    OneCycleLR,
    ReduceOnPlateauLR,
)
from mmengine.runner import CheckpointLoader
from torch import nn

from msrcnn_mm.engine.checkpoints import fit as checkpoint_fit
from msrcnn_mm.engine.checkpoints.fit import check_fit
from msrcnn_mm.engine.checkpoints.loading import CheckpointError, MissingCheckpointError
from tests.support.pickles import Calls, load, refusal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.pth"


# ---- what mmengine writes


@pytest.mark.parametrize(
    ("scheduler", "settings"),
    [
        (MultiStepLR, dict(milestones=[1, 2])),
        (LinearLR, {}),
        (CosineAnnealingLR, dict(T_max=5)),
        (OneCycleLR, dict(eta_max=0.1, total_steps=5)),
        (OneCycleLR, dict(eta_max=0.1, total_steps=5, anneal_strategy="linear")),
        (ReduceOnPlateauLR, dict(monitor="loss")),
    ],
)
@pytest.mark.parametrize(
    "optimizer", [partial(torch.optim.SGD, momentum=0.9), torch.optim.AdamW], ids=["SGD", "AdamW"]
)
def test_optimizers_and_schedules_come_back(
    path: Path, scheduler: type, settings: dict, optimizer: Callable
) -> None:
    model = nn.Linear(2, 2)
    steps = optimizer(model.parameters(), lr=0.1)
    schedule = scheduler(steps, **settings)
    model(torch.ones(1, 2)).sum().backward()
    steps.step()
    torch.save(dict(o=steps.state_dict(), s=schedule.state_dict()), path)
    loaded = load(path)
    assert loaded["s"] == schedule.state_dict()
    steps.load_state_dict(loaded["o"])


# ---- what must not load


@pytest.mark.parametrize(
    ("payload", "named"),
    [
        (Calls(os.system, "echo owned > {}"), "system"),
        (Calls(eval, "open('{}', 'w')"), "eval"),
        (Calls(exec, "open('{}', 'w')"), "exec"),
        (Calls(subprocess.check_call, ["touch", "{}"]), "check_call"),
        (Calls(np.load, "{}"), "numpy"),
        (nn.Linear(1, 1), "torch.nn.modules.linear.Linear"),
    ],
)
@pytest.mark.parametrize("switch", ["", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"])
def test_code_is_refused_and_named(
    path: Path, payload: Any, named: str, switch: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = path.with_name("owned")
    if isinstance(payload, Calls):
        function, (argument,) = payload.call  # which writes {}
        filled = (
            [part.format(target) for part in argument]
            if isinstance(argument, list)
            else (argument.format(target))
        )
        payload = Calls(function, filled)
    torch.save(dict(state_dict={}, x=payload), path)
    if switch:
        monkeypatch.setenv(switch, "1")
    message = refusal(path)
    assert "refused: it holds" in message
    assert named in message
    assert not target.exists()
    assert os.environ.get("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "") == ("1" if switch else "")
    assert "TORCH_FORCE_WEIGHTS_ONLY_LOAD" not in os.environ


def test_a_config_inside_is_not_run_on_resuming(path: Path) -> None:
    """Runner.resume evaluates the text that mmcv 1 put there."""
    torch.save(dict(state_dict={}, meta=dict(config="raise SystemExit", epoch=1)), path)
    assert load(path)["meta"] == dict(epoch=1)


def test_a_config_inside_is_not_run_by_an_inferencer(path: Path) -> None:
    text = f"open({str(path.with_name('owned'))!r}, 'w')"
    told = dict(runtime_info=dict(cfg=text))
    torch.save(dict(state_dict={}, meta=dict(cfg=text), message_hub=told), path)
    with pytest.raises(CheckpointError, match="an inferencer needs a config beside its weights"):
        DetInferencer(weights=str(path), device="cpu")
    assert not path.with_name("owned").exists()
    assert load(path)["meta"] == dict(cfg=text)  # to be read


def test_downloaded_checkpoints_are_held_to_the_same(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torch.hub asks for full unpickling."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    cached = tmp_path / "hub" / "checkpoints" / "x.pth"
    cached.parent.mkdir(parents=True)
    torch.save(dict(x=Calls(os.system, "true")), cached)
    with pytest.raises(CheckpointError, match=r"^https://example.org/x.pth: refused: it holds"):
        CheckpointLoader.load_checkpoint("https://example.org/x.pth", "cpu", logger="silent")


# ---- what cannot be read


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"\x80\x04N.", os.urandom(2000), pickle.dumps({"a": 1})], ids=len
)
def test_files_that_are_no_checkpoints(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert "is no checkpoint of torch, or a damaged one" in refusal(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_checkpoints_cut_off(path: Path, share: float) -> None:
    torch.save(nn.Linear(50, 50).state_dict(), path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    assert "damaged" in refusal(path)


def test_a_missing_file_and_a_file_of_something_else(path: Path) -> None:
    assert "no such checkpoint file" in refusal(path)
    assert issubclass(MissingCheckpointError, FileNotFoundError)  # as mmengine's callers expect it
    torch.save([1, 2], path)
    assert "holds a list where" in refusal(path)


def test_an_address_that_nobody_answers() -> None:
    with pytest.raises(CheckpointError, match=r"^http://127.0.0.1:9/x.pth: could .* fetch it"):
        CheckpointLoader.load_checkpoint("http://127.0.0.1:9/x.pth", "cpu", logger="silent")


# ---- what fits the model


def network(**sizes: int) -> nn.ModuleDict:
    return nn.ModuleDict({name: nn.Linear(size, 1) for name, size in sizes.items()})


def fit(model: nn.Module, other: nn.Module, use: Any, **extra: Any) -> None:
    checkpoint = dict(state_dict=other.state_dict(), meta={}, **extra)
    check_fit(model, checkpoint, "x.pth", use)


@pytest.mark.parametrize("use", ["test", "resume", "finetune"])
def test_the_models_own_checkpoint_fits(use: str) -> None:
    fit(network(a=2, b=3), network(a=2, b=3), use)
    parallel = {f"module.{name}": value for name, value in network(a=2).state_dict().items()}
    check_fit(network(a=2), dict(state_dict=parallel, meta={}), "x.pth", use)  # type: ignore[arg-type]


def test_a_test_needs_all_weights_of_the_model() -> None:
    with pytest.raises(CheckpointError, match=r"2 missing \(b.weight, b.bias\); use the config"):
        fit(network(a=2, b=3), network(a=2), "test")
    with pytest.raises(CheckpointError, match=r"1 of another shape \(a.weight: model \(1, 2\), ch"):
        fit(network(a=2), network(a=5), "test")
    fit(network(a=2), network(a=2, b=3), "test")  # as a Mask R-CNN of a Mask Scoring R-CNN


@pytest.mark.parametrize("other", [dict(a=2), dict(a=2, b=4), dict(a=2, b=3, c=1)])
def test_resuming_needs_the_very_weights(other: dict[str, int]) -> None:
    with pytest.raises(CheckpointError, match=r"load_from=x.pth"):
        fit(network(a=2, b=3), network(**other), "resume")


def test_a_training_starts_from_what_fits() -> None:
    model, other = network(a=2, b=3), network(a=2, b=4)
    fit(model, other, "finetune")
    assert torch.equal(model.state_dict()["a.weight"], other.state_dict()["a.weight"])
    with pytest.raises(CheckpointError, match="do not fit"):
        fit(model, network(c=2), "finetune")


@pytest.mark.parametrize("use", ["test", "resume", "finetune"])
def test_weights_that_are_not_numbers_are_refused(use: str) -> None:
    spoilt = network(a=2, b=3)
    spoilt["b"].weight.data[0, 1] = float("nan")
    with pytest.raises(CheckpointError, match=r"1 weights are not finite numbers \(b\.weight\)"):
        fit(network(a=2, b=3), spoilt, use)


def test_only_a_trainings_checkpoint_can_be_resumed() -> None:
    weights = dict(network(a=2).state_dict())
    check_fit(network(a=2), weights, "x.pth", "test")
    with pytest.raises(CheckpointError, match="weights only, so no training can go on"):
        check_fit(network(a=2), weights, "x.pth", "resume")


class Versioned(nn.Linear):
    """Converts its weight if it was written before version 2, as mmcv's DCN does."""

    _version = 2

    def _load_from_state_dict(
        self, state_dict: dict, prefix: str, local_metadata: dict, *args: Any
    ) -> None:
        if local_metadata.get("version", 1) < 2:
            state_dict[f"{prefix}weight"] = state_dict.pop(f"{prefix}weight") + 1
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)


def test_modules_are_told_the_version_that_wrote_their_weights() -> None:
    model, other = (nn.ModuleDict(dict(a=Versioned(2, 1))) for _ in range(2))
    fit(model, other, "test")
    assert torch.equal(model.state_dict()["a.weight"], other.state_dict()["a.weight"])
    check_fit(model, dict(state_dict=dict(other.state_dict())), "x.pth", "test")  # before versions
    assert torch.equal(model.state_dict()["a.weight"], other.state_dict()["a.weight"] + 1)


def test_a_checkpoint_without_weights() -> None:
    with pytest.raises(CheckpointError, match=r"no state_dict with weights \(it holds meta, hello"):
        check_fit(network(a=2), dict(meta={}, hello=1), "x.pth", "test")
    with pytest.raises(
        CheckpointError, match=r"\(it holds model\); .* tools/convert_checkpoint.py"
    ):
        check_fit(network(a=2), dict(model=dict(a=torch.ones(1))), "x.pth", "test")


@pytest.mark.parametrize(("learnt", "warned"), [(("b", "a"), True), (("a", "b"), False)])
def test_labels_learnt_for_other_names(
    learnt: tuple[str, ...], warned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(checkpoint_fit, "print_log", lambda text, **_: said.append(text))
    model = network(a=2)
    run = SimpleNamespace(model=model)
    meta = dict(dataset_meta=dict(classes=learnt))
    hook = checkpoint_fit.CheckpointFitHook("test", "x.pth", ("a", "b"))
    hook.after_load_checkpoint(run, dict(state_dict=model.state_dict(), meta=meta))
    assert bool(said) == warned
