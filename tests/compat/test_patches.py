"""Tests of the patches.

Operators give the results of float32, and leave float32 itself alone.
"""

import mmcv.ops
import mmengine.config.config as config_module
import mmengine.config.utils as config_utils
import pytest
import torch
from mmcv.ops import DeformConv2dPack, ModulatedDeformConv2dPack, batched_nms, saconv
from mmcv.ops.deform_conv import DeformConv2dFunction
from mmcv.ops.modulated_deform_conv import ModulatedDeformConv2dFunction
from mmdet.models.dense_heads import tood_head
from mmengine.config import Config
from mmengine.fileio import load
from mmengine.infer import BaseInferencer
from yapf.yapflib.yapf_api import FormatCode

from msrcnn_mm.compat import apply_patches
from msrcnn_mm.compat.configs import format_each_text_once, read_metafiles_once
from tests.support.tiny import CONFIGS

apply_patches()

HALVES = [torch.bfloat16, torch.float16]


def boxes(count: int, spread: float = 900) -> torch.Tensor:
    torch.manual_seed(0)
    corners = torch.rand(count, 2) * spread
    return torch.cat([corners, corners + 20 + torch.rand(count, 2) * 80], dim=1)


@pytest.mark.skipif(
    not hasattr(config_module, "FormatCode"), reason="onedl-mmengine is not patched"
)
def test_a_config_is_formatted_once_until_it_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config_module, "FormatCode", FormatCode)
    config = Config(dict(model=dict(type="A", sizes=[1, 2]), lr=0.1))
    expected = config.pretty_text
    calls = []
    monkeypatch.setattr(
        config_module, "FormatCode", lambda text, **s: calls.append(text) or FormatCode(text, **s)
    )
    format_each_text_once()
    assert [config.pretty_text, config.pretty_text] == [expected] * 2 and len(calls) == 1
    config.lr = 0.2
    assert config.pretty_text == expected.replace("0.1", "0.2") and len(calls) == 2


def test_metafiles_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    file = CONFIGS / "ms_rcnn" / "ms-rcnn_r50_fpn_1x_coco.py"
    monkeypatch.setattr(config_utils, "load", load)
    expected, read = Config.fromfile(file), []
    monkeypatch.setattr(config_utils, "load", lambda path: read.append(path) or load(path))
    read_metafiles_once()
    for _ in range(2):
        assert Config.fromfile(file).to_dict() == expected.to_dict()
    assert len(read) == len(set(read)) > 100


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("kind", ["nms", "soft_nms"])
def test_suppression_of_half_precision_scores(dtype: torch.dtype, kind: str) -> None:
    candidates, scores = boxes(60, spread=150), torch.rand(60).to(dtype)
    classes = torch.arange(60) % 3
    config = {"type": kind, "iou_threshold": 0.3}
    kept, inds = batched_nms(candidates, scores, classes, config)
    wide, wide_inds = batched_nms(candidates, scores.float(), classes, config)
    assert torch.equal(inds, wide_inds)
    assert torch.equal(kept, wide)
    assert 0 < len(kept) < 60 or kind == "soft_nms"


@pytest.mark.parametrize("layer", [DeformConv2dPack, ModulatedDeformConv2dPack])
def test_deformable_convolutions_in_bf16(layer: type) -> None:
    torch.manual_seed(0)
    conv = layer(4, 8, 3, padding=1)
    torch.nn.init.normal_(conv.conv_offset.weight, std=0.1)
    image = torch.randn(2, 4, 9, 9)
    with torch.autocast("cpu", torch.bfloat16):
        narrow = conv(image)
    assert narrow.dtype == torch.bfloat16
    assert torch.allclose(narrow.float(), conv(image), atol=0.05)
    narrow.float().sum().backward()
    assert conv.weight.grad.any() and conv.conv_offset.weight.grad.any()


@pytest.mark.parametrize("offset_type", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("feats_type", [torch.float32, torch.bfloat16])
def test_deformable_convolutions_compute_in_the_offsets_type(
    feats_type: torch.dtype, offset_type: torch.dtype
) -> None:
    torch.manual_seed(0)
    feats, weight = torch.randn(2, 4, 9, 9).to(feats_type), torch.randn(8, 4, 3, 3)
    offset, mask = torch.randn(2, 18, 9, 9).to(offset_type), torch.rand(2, 9, 9, 9)
    wide = [tensor.double() for tensor in (feats, offset, mask, weight)]
    expected = ModulatedDeformConv2dFunction.apply(*wide, None, 1, 1)
    tolerance = 0.05 if offset_type == torch.bfloat16 else 1e-4
    with torch.autocast("cpu", torch.bfloat16, enabled=False):
        found = mmcv.ops.modulated_deform_conv2d(feats, offset, mask, weight, None, 1, 1)
    assert found.dtype == offset_type
    torch.testing.assert_close(found.double(), expected, rtol=tolerance, atol=tolerance)


def test_every_layer_has_the_patched_deformable_convolution() -> None:
    """Also those that import the function by its name."""
    patched = {mmcv.ops.deform_conv2d, saconv.deform_conv2d, tood_head.deform_conv2d}
    assert len(patched) == 1 and patched != {DeformConv2dFunction.apply}


def test_a_second_call_changes_nothing() -> None:
    before = mmcv.ops.deform_conv2d, BaseInferencer._init_model
    apply_patches()
    after = mmcv.ops.deform_conv2d, BaseInferencer._init_model
    assert after == before
