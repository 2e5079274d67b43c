"""The hook compiles what it names, and changes neither values nor checkpoints."""

from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mmengine.registry import HOOKS
from torch import nn

from msrcnn_mm.engine.hooks.compile_heads import HEADS, CompileHeadsHook
from msrcnn_mm.errors import UserError
from tests.support import tiny


def run(model: nn.Module) -> None:
    hook = HOOKS.build(dict(type="CompileHeadsHook"))
    assert isinstance(hook, CompileHeadsHook)
    hook.before_run(SimpleNamespace(model=model))  # type: ignore[arg-type]


def test_compiled_heads_predict_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    frames: list[Any] = []

    def backend(graph: torch.fx.GraphModule, inputs: list[torch.Tensor]) -> Any:
        frames.append(graph)
        return graph.forward  # without code generation, which takes minutes

    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=backend))
    torch.manual_seed(0)
    model = tiny.build(tiny.tiny_config()).eval()
    packed = tiny.demo_mm_inputs(1, image_shapes=[(3, 128, 128)], num_classes=2, with_mask=True)
    keys = list(model.state_dict())
    with torch.no_grad():
        before = model.test_step(packed)[0].pred_instances
        run(model)
        after = model.test_step(packed)[0].pred_instances
    assert len(frames) >= len(HEADS) and len(before)
    torch.testing.assert_close(after.mask_scores, before.mask_scores)
    torch.testing.assert_close(after.bboxes, before.bboxes)
    assert list(model.state_dict()) == keys


def test_other_models_are_refused() -> None:
    with pytest.raises(UserError, match="CompileHeadsHook: the model has no rpn_head"):
        run(nn.Sequential(nn.Conv2d(3, 4, 3)))
