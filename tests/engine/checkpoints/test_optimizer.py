"""Resuming with an optimizer that is not the one of the checkpoint."""

from pathlib import Path

import pytest
import torch

from msrcnn_mm.engine.hooks import resume
from msrcnn_mm.errors import CheckpointError
from tests.support.toy_runs import read_checkpoint, train

SGD = dict(type="SGD", lr=0.1, momentum=0.9)
ADAMW = dict(type="AdamW", lr=0.1)
STEPS = [dict(type="MultiStepLR", milestones=[1])]


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The warnings of the hook."""
    messages: list[str] = []
    monkeypatch.setattr(resume, "print_log", lambda text, **_: messages.append(text))
    return messages


@pytest.mark.parametrize(
    ("old", "new", "lacks"), [(SGD, ADAMW, "betas, eps"), (ADAMW, SGD, "momentum, dampening")]
)
def test_another_optimizer_is_refused(old: dict, new: dict, lacks: str, tmp_path: Path) -> None:
    train(tmp_path, STEPS, 1, optimizer=old)
    message = rf"^{tmp_path}/epoch_1.pth: was trained with another optimizer, one without {lacks}: "
    with pytest.raises(CheckpointError, match=rf"{message}.*load_from={tmp_path}/epoch_1.pth$"):
        train(tmp_path, STEPS, 2, optimizer=new, resume=True)


def test_other_groups_of_parameters_are_refused(tmp_path: Path) -> None:
    train(tmp_path, STEPS, 1)
    message = "its optimizer has 2 parameters in 1 groups, the config's 2 in 2: use the optim_wrap"
    with pytest.raises(CheckpointError, match=message):
        train(tmp_path, STEPS, 2, paramwise=dict(bias_lr_mult=2), resume=True)


def test_settings_that_are_not_followed_are_said(tmp_path: Path, said: list[str]) -> None:
    train(tmp_path, STEPS, 1, optimizer=SGD)
    changed = dict(SGD, weight_decay=0.01, lr=0.2)
    seen = train(tmp_path, STEPS, 2, optimizer=changed, resume=True)
    (settings,) = (message for message in said if "the optimizer goes on" in message)
    assert "the checkpoint's weight_decay of 0, not 0.01 as the config says" in settings
    assert seen[0][1][0] == (0.2 * 0.1, 0.9, None, 0)


def test_a_learning_rate_that_no_scheduler_sets(tmp_path: Path, said: list[str]) -> None:
    train(tmp_path, None, 1)
    seen = train(tmp_path, None, 2, optimizer=dict(SGD, lr=0.2), resume=True)
    (message,) = said
    assert "the checkpoint's lr of 0.1, not 0.2 as the config says" in message
    assert seen[0][1][0][0] == 0.1


def test_adam_without_decoupled_decay_is_said(tmp_path: Path, said: list[str]) -> None:
    train(tmp_path, STEPS, 1, optimizer=dict(ADAMW, type="Adam", weight_decay=0.01))
    train(tmp_path, STEPS, 2, optimizer=ADAMW, resume=True)
    assert any("decoupled_weight_decay of False, not True" in message for message in said)


def test_switches_that_an_older_torch_did_not_save(tmp_path: Path, said: list[str]) -> None:
    train(tmp_path, STEPS, 1, optimizer=ADAMW)
    path = tmp_path / "epoch_1.pth"
    checkpoint = read_checkpoint(path)
    for key in ("decoupled_weight_decay", "amsgrad", "maximize", "fused"):
        del checkpoint["optimizer"]["param_groups"][0][key]
    torch.save(checkpoint, path)
    assert len(train(tmp_path, STEPS, 2, optimizer=ADAMW, resume=True)) == 4
