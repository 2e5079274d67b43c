"""Mixed precision on a CPU, and which number format --amp takes."""

from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.optim import AmpOptimWrapper
from mmengine.registry import OPTIM_WRAPPERS
from torch import nn

from msrcnn_mm.engine.runs import mixed_precision
from msrcnn_mm.engine.runs.mixed_precision import CpuAmpOptimWrapper


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
    monkeypatch.setattr(mixed_precision, "get_device", lambda: "cpu")
    monkeypatch.setattr(mixed_precision, "has_bf16_matrix_units", lambda: True)
    for_gpu = dict(loss_scale=512.0, dtype="float16", use_fsdp=False)
    kept = dict(accumulative_counts=2, clip_grad=dict(max_norm=5))
    config = Config(dict(optim_wrapper=dict(type=kind, **for_gpu, **kept)))
    mixed_precision.use_mixed_precision(config)
    assert config.optim_wrapper == dict(type="CpuAmpOptimWrapper", **kept)
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
    assert OPTIM_WRAPPERS.build({**config.optim_wrapper, "optimizer": optimizer}) is not None
    monkeypatch.setattr(mixed_precision, "get_device", lambda: "cuda")
    config = Config(dict(optim_wrapper=dict(type=kind, **for_gpu, **kept)))
    mixed_precision.use_mixed_precision(config)
    assert config.optim_wrapper == dict(type="AmpOptimWrapper", **for_gpu, **kept)


def test_a_cpu_without_matrix_units_for_bf16_stays_in_float32(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mixed_precision, "get_device", lambda: "cpu")
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True}, raising=False)
    for kind in ("OptimWrapper", "AmpOptimWrapper"):
        config = Config(dict(optim_wrapper=dict(type=kind, loss_scale=512.0, clip_grad=None)))
        line = mixed_precision.use_mixed_precision(config)
        assert config.optim_wrapper == dict(type="OptimWrapper", clip_grad=None)
        assert "float32, since this CPU has no AMX" in line
    wanted = Config(dict(optim_wrapper=dict(type="CpuAmpOptimWrapper")))  # as the line says
    assert mixed_precision.use_mixed_precision(wanted) == "--amp: bf16 on the CPU"
    assert wanted.optim_wrapper.type == "CpuAmpOptimWrapper"


@pytest.mark.parametrize("amx", [True, False])
def test_matrix_units_are_known_to_every_torch(monkeypatch: pytest.MonkeyPatch, amx: bool) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": amx}, raising=False)
    assert mixed_precision.has_bf16_matrix_units() is amx
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    assert mixed_precision.has_bf16_matrix_units() is amx
    monkeypatch.delattr(torch.cpu, "_is_amx_tile_supported")
    assert mixed_precision.has_bf16_matrix_units() is False
