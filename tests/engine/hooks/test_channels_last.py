"""The hook changes the layout of a model and nothing else, and refuses what cannot read it."""

from types import SimpleNamespace
from typing import Any

import mmcv.ops
import pytest
import torch
from mmengine.registry import HOOKS
from torch import nn

from msrcnn_mm.engine.hooks.channels_last import ChannelsLastHook
from msrcnn_mm.errors import UserError
from tests.support import tiny


def lay_out(model: nn.Module) -> None:
    hook = HOOKS.build(dict(type="ChannelsLastHook"))
    assert isinstance(hook, ChannelsLastHook)
    hook.before_run(SimpleNamespace(model=model))  # type: ignore[arg-type]


def test_predictions_and_losses_stay_the_same() -> None:
    torch.manual_seed(0)
    model = tiny.build(tiny.tiny_config()).eval()
    packed = tiny.demo_mm_inputs(1, image_shapes=[(3, 128, 128)], num_classes=2, with_mask=True)
    data = model.data_preprocessor(packed, False)

    def outputs() -> list[torch.Tensor]:
        with torch.no_grad():
            features = model.extract_feat(data["inputs"])
            torch.manual_seed(0)
            losses: dict[str, Any] = model.loss(data["inputs"], data["data_samples"])
        found = [*features, losses["loss_mask"], losses["loss_mask_iou"], losses["loss_cls"]]
        return found + losses["loss_rpn_cls"]

    before = outputs()
    lay_out(model)
    after = outputs()
    assert after[0].is_contiguous(memory_format=torch.channels_last)
    assert not before[0].is_contiguous(memory_format=torch.channels_last)
    for a, b in zip(before, after, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_layers_that_read_the_layout_wrongly_are_refused() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), mmcv.ops.DeformConv2dPack(4, 4, 3))
    with pytest.raises(UserError, match="ChannelsLastHook: 1 is mmcv's DeformConv2dPack"):
        lay_out(model)
