"""A loss that is not finite ends a training, with the images and a state to go back to."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mmengine.structures import BaseDataElement
from torch import nn

from msrcnn_mm.engine.hooks import finite_loss
from msrcnn_mm.engine.hooks.finite_loss import FiniteLossHook
from msrcnn_mm.errors import UserError
from tests.support.exact_runs import Noisy, train
from tests.support.toy_runs import read_checkpoint


class Breaking(nn.Module):
    """Gives the losses that it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2))

    def forward(self, losses: dict) -> dict:
        return losses


def test_the_state_before_the_iteration_is_saved_and_reproduces_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward, drawn = Noisy.forward, []

    def breaking(model: Noisy, inputs: Any, mode: str) -> Any:
        losses = forward(model, inputs, mode)
        drawn.append(torch.stack(inputs))
        if len(drawn) == 8 or len(drawn) == 9:
            losses["loss"] = losses["loss"] * float("nan")
        return losses

    monkeypatch.setattr(Noisy, "forward", breaking)
    saved = tmp_path / "nonfinite_iter_8.pth"
    with pytest.raises(UserError, match=rf"^iteration 8: not finite: loss nan.*--resume {saved}"):
        train(tmp_path, hooks=[FiniteLossHook()])
    assert (tmp_path / "last_checkpoint").read_text() == str(tmp_path / "iter_7.pth")
    weights, before = (
        read_checkpoint(path)["ema_state_dict"] for path in (saved, tmp_path / "iter_7.pth")
    )
    assert all(torch.equal(weights[key], before[key]) for key in before if "layers.0" in key)
    with pytest.raises(UserError, match=r"^iteration 8: not finite"):
        train(tmp_path, hooks=[FiniteLossHook()], resume=True, load_from=str(saved))
    assert torch.equal(drawn[-1], drawn[-2])


def step(hook: FiniteLossHook, runner: Any, loss: Any, name: str) -> None:
    sample = BaseDataElement(metainfo=dict(img_path=name))
    hook.before_train_iter(runner, 0, dict(data_samples=[sample]))
    runner.model(dict(loss_mask=loss, acc=torch.tensor(torch.nan)))
    runner.iter += 1


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(finite_loss, "warn", lambda text: runner.said.append(text))
    scaler = SimpleNamespace(is_enabled=lambda: True)
    runner: Any = SimpleNamespace(
        model=Breaking().train(),
        iter=0,
        epoch=0,
        work_dir="work",
        hooks=[],
        said=[],
        saved=[],
        optim_wrapper=SimpleNamespace(loss_scaler=scaler),
        save_checkpoint=lambda folder, name, **_: runner.saved.append(name),
    )
    return runner


def test_the_first_with_a_loss_scaler_warns_and_the_second_in_a_row_ends(runner: Any) -> None:
    hook = FiniteLossHook()
    hook.before_run(runner)
    hook.before_train(runner)
    good, bad = torch.tensor(1.0), [torch.tensor(1.0), torch.tensor(torch.inf)]
    for number, loss in enumerate([good, bad, good, bad]):
        step(hook, runner, loss, f"{number}.png")
    assert runner.said == [
        f"iteration {i + 1}: not finite: loss_mask inf, on the images {i}.png: the step is left out"
        for i in (1, 3)
    ]
    with pytest.raises(UserError, match=r"on the images 4\.png; --resume .*nonfinite_iter_5\.pth"):
        step(hook, runner, bad, "4.png")
    assert runner.saved == ["nonfinite_iter_5.pth"]


def test_weights_that_are_not_finite_are_blamed_on_the_step_before(runner: Any) -> None:
    hook = FiniteLossHook()
    hook.before_run(runner)
    hook.before_train(runner)
    step(hook, runner, torch.tensor(1.0), "first.png")
    runner.model.weight.data[0] = torch.nan
    with pytest.raises(UserError, match=r"weights are not finite since .* images first\.png"):
        step(hook, runner, torch.tensor(torch.nan), "second.png")
    assert not runner.saved
