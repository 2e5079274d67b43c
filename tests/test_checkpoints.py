"""Checkpoints of mmengine's trainings load, pickles that run code do not, misfits are named."""

import os
import pickle
import subprocess
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.optim import (
    CosineAnnealingLR,
    LinearLR,
    MultiStepLR,
    OneCycleLR,
    ReduceOnPlateauLR,
)
from mmengine.runner import CheckpointLoader
from torch import nn

from msrcnn_mm import checkpoint_fit
from msrcnn_mm.checkpoint_fit import check_fit
from msrcnn_mm.checkpoints import CheckpointError, MissingCheckpointError, load_checkpoint_safely


def load(path: Path) -> Any:
    return CheckpointLoader.load_checkpoint(str(path), "cpu", logger="silent")


def refusal(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        load(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


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


def test_logged_values_come_back_and_go_on(path: Path) -> None:
    history = HistoryBuffer([1.0, 2.0, 6.0], [1, 1, 1])
    torch.save(dict(loss=history), path)
    loaded = load(path)["loss"]
    assert isinstance(loaded, HistoryBuffer)
    loaded.update(7.0)
    assert loaded.data[0].tolist() == [1.0, 2.0, 6.0, 7.0]
    assert loaded.statistics("mean", window_size=4) == 4.0
    assert (loaded.min(), loaded.max(), loaded.current()) == (1.0, 7.0, 7.0)


@pytest.mark.parametrize(
    "value",
    [
        np.float64(2.5),
        np.float32(1.5),
        np.int64(-3),
        np.bool_(True),
        np.complex128(1 + 2j),
        np.arange(6).reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.array([1.5, 2.5], dtype=">f4"),
        np.array([True, False]),
        np.zeros((0, 4)),
        np.array(3.0),
    ],
    ids=repr,
)
def test_numbers_come_back_and_are_saved_as_numpy_saves_them(path: Path, value: Any) -> None:
    torch.save(dict(value=value), path)
    loaded = load(path)["value"]
    np.testing.assert_array_equal(loaded, value)
    assert loaded.dtype == value.dtype.newbyteorder("=")  # NumPy's own pickles do so too
    torch.save(dict(value=loaded), path)
    assert b"msrcnn" not in zipfile.ZipFile(path).read("x/data.pkl")
    np.testing.assert_array_equal(load(path)["value"], value)


@pytest.mark.parametrize("module", ["numpy.core.multiarray", "numpy._core.multiarray"])
def test_arrays_of_both_numpys_load(path: Path, module: str) -> None:
    """NumPy 2 moved the functions that a pickle names."""
    torch.save(dict(a=np.arange(3), s=np.float64(4)), path)
    replace_in_pickle(path, b"numpy._core.multiarray", module.encode())
    loaded = load(path)
    assert loaded["a"].tolist() == [0, 1, 2]
    assert loaded["s"] == 4


def replace_in_pickle(path: Path, old: bytes, new: bytes) -> None:
    with zipfile.ZipFile(path) as archive:
        parts = {info.filename: archive.read(info) for info in archive.infolist()}
    name = next(name for name in parts if name.endswith("data.pkl"))
    assert old in parts[name]
    parts[name] = parts[name].replace(old, new)
    with zipfile.ZipFile(path, "w") as archive:
        for part, content in parts.items():
            archive.writestr(part, content)


def test_allowed_names_are_found_by_torch_2_5(monkeypatch: pytest.MonkeyPatch) -> None:
    """It knows no pair of a stand-in and a name, and goes by the stand-in's own."""
    load_checkpoint_safely()
    allowed: list[Any] = torch.serialization.get_safe_globals()
    names = {f"{g.__module__}.{g.__name__}" for g in allowed}
    assert {"builtins.getattr", "numpy.dtype", "numpy.core.multiarray.scalar"} <= names


# ---- what must not load


class Calls:
    """Pickles as a call."""

    def __init__(self, function: Callable, *args: Any) -> None:
        self.call = function, args

    def __reduce__(self) -> tuple:
        return self.call


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


@pytest.mark.parametrize(
    "payload",
    [
        Calls(getattr, HistoryBuffer, "__init__"),
        Calls(getattr, HistoryBuffer, "__globals__"),
        Calls(getattr, HistoryBuffer, "__subclasses__"),
        Calls(getattr, torch.Tensor, "__class__"),
        Calls(getattr, [], "append"),
        Calls(np.dtype, "O"),
        Calls(np.dtype, "V8"),
        Calls(np.dtype, [("a", "i8")]),
        Calls(np.ndarray, (3,)),
        np.array([{}], dtype=object),
        np.array(["text"]),
        np.array([(1, 2)], dtype=[("a", "i4"), ("b", "i4")]),
    ],
    ids=repr,
)
def test_what_the_stand_ins_do_not_stand_for(path: Path, payload: Any) -> None:
    torch.save(dict(x=payload), path)
    refusal(path)


def test_numpys_own_dtype_would_take_integers_for_pointers(path: Path) -> None:
    """Why its names have stand-ins: allow-listed itself, it reads its flags from the file."""
    state = (3, "<", None, None, None, -1, -1, 0x3F)
    forged: Any = np.dtype("i8", False, True)
    forged.__setstate__(state)
    assert forged.hasobject  # an array of it would follow any integer as an address

    class Forged:
        def __reduce__(self) -> tuple:
            return np.dtype, ("i8", False, True), state

    class Array:
        def __reduce__(self) -> tuple:
            empty = np.zeros(0).__reduce__()[0]
            return empty, (np.ndarray, (0,), b"b"), (1, (1,), Forged(), False, b"\x01" * 8)

    torch.save(dict(x=Array()), path)
    loaded = load(path)["x"]
    assert loaded.dtype == np.int64
    assert not loaded.dtype.hasobject
    assert loaded.tolist() == [0x0101010101010101]


def test_a_config_inside_is_not_run_on_resuming(path: Path) -> None:
    """Runner.resume evaluates the text that mmcv 1 put there."""
    torch.save(dict(state_dict={}, meta=dict(config="raise SystemExit", epoch=1)), path)
    assert load(path)["meta"] == dict(epoch=1)


def test_downloaded_checkpoints_are_held_to_the_same(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torch.hub asks for weights_only=False."""
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
    with pytest.raises(CheckpointError, match=r"^http://127.0.0.1:9/x.pth: could not be downlo"):
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


def test_only_a_trainings_checkpoint_can_be_resumed() -> None:
    weights = dict(network(a=2).state_dict())
    check_fit(network(a=2), weights, "x.pth", "test")
    with pytest.raises(CheckpointError, match="weights only, so no training can go on"):
        check_fit(network(a=2), weights, "x.pth", "resume")


def test_a_checkpoint_without_weights() -> None:
    with pytest.raises(CheckpointError, match=r"no state_dict with weights \(it holds meta, hello"):
        check_fit(network(a=2), dict(meta={}, hello=1), "x.pth", "test")


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
