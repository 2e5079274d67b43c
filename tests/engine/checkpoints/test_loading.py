"""mmengine's checkpoints load, pickles that run code do not."""

import os
import pickle
import resource
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

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

from msrcnn_mm.engine.checkpoints.loading import SafeLoader, register_safe_loaders
from msrcnn_mm.errors import CheckpointError, MissingCheckpointError
from tests.support.checkpoints.pickles import Calls, load, refusal


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
    with pytest.raises(ValueError, match="an inferencer needs a config beside its weights"):
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

RANDOM = np.random.default_rng(0).bytes(2000)


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", b"\x80\x04N.", RANDOM, pickle.dumps({"a": 1})],
    ids=len,
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


@pytest.mark.parametrize("member", ["x/data.pkl", "x/data/0", "x/unread"])
def test_an_archive_that_unpacks_to_gigabytes_is_refused_by_what_it_declares(
    path: Path, member: str
) -> None:
    torch.save(dict(state_dict=dict(w=torch.ones(2))), path)
    with ZipFile(path) as archive:
        parts = {one.filename: archive.read(one) for one in archive.infolist()}
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        for name, content in {**parts, member: parts.get(member, b"") + bytes(10**8)}.items():
            archive.writestr(name, content)
    assert path.stat().st_size < 200_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "would unpack to 100,00" in refusal(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # kB


def test_what_declares_more_than_memory_holds_is_refused(path: Path) -> None:
    torch.save(dict(state_dict={}, x=Calls(bytearray, 10**17)), path)
    refusal(path)


def test_deep_nesting_is_refused(path: Path) -> None:
    pickled = b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b"."
    torch.save(dict(state_dict={}), path)
    with ZipFile(path) as archive:
        parts = {one.filename: archive.read(one) for one in archive.infolist()}
    with ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, pickled if name.endswith("data.pkl") else content)
    refusal(path)


def test_a_missing_file_and_a_file_of_something_else(path: Path) -> None:
    assert "no such checkpoint file" in refusal(path)
    assert issubclass(MissingCheckpointError, FileNotFoundError)  # as mmengine's callers expect it
    torch.save([1, 2], path)
    assert "holds a list where" in refusal(path)


def test_an_address_that_nobody_answers() -> None:
    with pytest.raises(CheckpointError, match=r"^http://127.0.0.1:9/x.pth: could .* fetch it"):
        CheckpointLoader.load_checkpoint("http://127.0.0.1:9/x.pth", "cpu", logger="silent")


# ---- every way to load


def test_every_registered_loader_is_safe_and_wrapped_once() -> None:
    register_safe_loaders()
    for loader in CheckpointLoader._schemes.values():
        assert isinstance(loader, SafeLoader)
        assert not isinstance(loader._loader, SafeLoader)
        assert loader.__name__.removeprefix("_").startswith("load_from_")  # what mmengine logs


def test_a_loader_registered_later_is_made_safe_when_asked_again(path: Path) -> None:
    def load_from_vault(filename: str, map_location: Any = None) -> Any:
        return torch.load(path, weights_only=False)

    before = dict(CheckpointLoader._schemes)
    torch.save(dict(x=Calls(os.system, "true")), path)
    try:
        CheckpointLoader.register_scheme("vault://", load_from_vault)
        register_safe_loaders()
        with pytest.raises(CheckpointError, match=r"^vault://x: refused: it holds"):
            CheckpointLoader.load_checkpoint("vault://x", "cpu", logger="silent")
    finally:
        CheckpointLoader._schemes = before
