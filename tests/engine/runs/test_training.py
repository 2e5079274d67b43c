"""Mixed precision on a CPU and its settings, and where a training starts."""

from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.optim import AmpOptimWrapper
from mmengine.registry import OPTIM_WRAPPERS
from torch import nn

from msrcnn_mm.engine.runs import training
from msrcnn_mm.engine.runs.training import CpuAmpOptimWrapper
from msrcnn_mm.errors import CheckpointError


class Line(BaseModel):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 1)

    def forward(self, inputs: torch.Tensor, mode: str) -> dict[str, torch.Tensor]:
        return dict(loss=self.layer(inputs).square().mean())


def test_a_training_step_computes_in_bf16_and_keeps_float32_parameters() -> None:
    torch.manual_seed(0)
    model = Line()
    seen: list[torch.dtype] = []
    model.layer.register_forward_hook(lambda *values: seen.append(values[-1].dtype))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    wrapper = OPTIM_WRAPPERS.build(dict(type="CpuAmpOptimWrapper", optimizer=optimizer))
    assert isinstance(wrapper, CpuAmpOptimWrapper)
    before = model.layer.weight.detach().clone()
    model.train_step(dict(inputs=torch.ones(2, 4)), wrapper)
    assert seen == [torch.bfloat16]
    assert model.layer.weight.dtype == torch.float32
    assert not torch.equal(model.layer.weight, before)
    model.layer(torch.ones(2, 4))  # outside of a training step
    assert seen == [torch.bfloat16, torch.float32]


@pytest.mark.parametrize("kind", ["AmpOptimWrapper", AmpOptimWrapper])
def test_mixed_precision_of_a_gpu_becomes_that_of_a_cpu(
    monkeypatch: pytest.MonkeyPatch, kind: Any
) -> None:
    monkeypatch.setattr(training, "get_device", lambda: "cpu")
    for_gpu = dict(loss_scale=512.0, dtype="float16", use_fsdp=False)
    kept = dict(accumulative_counts=2, clip_grad=dict(max_norm=5))
    config = Config(dict(optim_wrapper=dict(type=kind, **for_gpu, **kept)))
    training.use_mixed_precision(config)
    assert config.optim_wrapper == dict(type="CpuAmpOptimWrapper", **kept)
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
    assert OPTIM_WRAPPERS.build({**config.optim_wrapper, "optimizer": optimizer}) is not None
    monkeypatch.setattr(training, "get_device", lambda: "cuda")
    config = Config(dict(optim_wrapper=dict(type=kind, **for_gpu, **kept)))
    training.use_mixed_precision(config)
    assert config.optim_wrapper == dict(type="AmpOptimWrapper", **for_gpu, **kept)


def test_resuming_where_nothing_is_warns(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    config = Config(dict(work_dir=str(tmp_path)))
    assert training.set_start(config, "auto") is False
    assert f"warning: no checkpoint in {tmp_path}: the training" in capsys.readouterr().err


def test_resuming_where_the_checkpoint_is_lost_is_refused(tmp_path: Path) -> None:
    (tmp_path / "last_checkpoint").write_text("/elsewhere/epoch_1.pth")
    config = Config(dict(work_dir=str(tmp_path)))
    with pytest.raises(CheckpointError, match=r"names /elsewhere/epoch_1.pth, and .* has none to"):
        training.set_start(config, "auto")
    (tmp_path / "epoch_1.pth").touch()  # the loader says what is wrong with it
    assert training.set_start(config, "auto") is True
    assert config.load_from is None
