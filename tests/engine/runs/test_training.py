"""Mixed precision on a CPU: the forward pass of a training step is in bf16, and only that."""

import torch
from mmengine.model import BaseModel
from mmengine.registry import OPTIM_WRAPPERS
from torch import nn

import msrcnn_mm  # noqa: F401  # registers the wrapper
from msrcnn_mm.engine.runs.training import CpuAmpOptimWrapper


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
