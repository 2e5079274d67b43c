"""Tests of the places of deformable convolutions in YOLACT++'s backbones."""

from typing import Any

import pytest
import torch
from mmcv.ops import ModulatedDeformConv2dPack
from mmdet.models.backbones import ResNet
from torch import nn

from msrcnn_mm.errors import SettingError
from msrcnn_mm.models.hosts.deformable_resnet import DeformableResNet

DCN = dict(type="DCNv2", deform_groups=1)
C3_TO_C5 = (False, True, True, True)


def build(depth: int, cls: type = DeformableResNet, **settings: Any) -> nn.Module:
    return cls(depth=depth, base_channels=8, dcn=DCN, stage_with_dcn=C3_TO_C5, **settings)


def blocks(model: nn.Module) -> dict[int, list[int]]:
    """Lists the blocks with a deformable convolution by stage, from 1; only conv2 may be one."""
    found: dict[int, list[int]] = {}
    for name, module in model.named_modules():
        if isinstance(module, ModulatedDeformConv2dPack):
            layer, block, conv = name.split(".")
            assert conv == "conv2"
            found.setdefault(int(layer.removeprefix("layer")), []).append(int(block))
    return found


def test_resnet_50_has_them_in_every_block() -> None:
    assert blocks(build(50)) == {2: [0, 1, 2, 3], 3: [0, 1, 2, 3, 4, 5], 4: [0, 1, 2]}


def test_resnet_101_has_eleven_at_the_authors_places() -> None:
    found = blocks(build(101, dcn_interval=3))
    assert found == {2: [0, 3], 3: [0, 3, 6, 9, 12, 15, 18, 21], 4: [0]}
    assert sum(map(len, found.values())) == 11


def test_resnet_18_has_them_too() -> None:
    assert blocks(build(18, dcn_interval=2)) == {2: [0], 3: [0], 4: [0]}


def test_without_interval_it_is_mmdetections() -> None:
    ours, theirs = build(50), build(50, ResNet)
    ours.eval()
    theirs.eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    image = torch.randn(1, 3, 64, 96)
    for mine, other in zip(ours(image), theirs(image), strict=True):
        torch.testing.assert_close(mine, other)


@pytest.mark.parametrize("source", ["scratch", "pretrained"])
def test_offsets_begin_at_zero(source: str, tmp_path: Any) -> None:
    plain = ResNet(depth=50, base_channels=8)
    torch.save(plain.state_dict(), tmp_path / "resnet.pth")
    file = dict(type="Pretrained", checkpoint=str(tmp_path / "resnet.pth"))
    model = build(50, dcn_interval=3, init_cfg=file if source == "pretrained" else None)
    model.init_weights()
    offsets = {k: v for k, v in model.state_dict().items() if "conv_offset" in k}
    assert offsets and not any(offset.any() for offset in offsets.values())
    if source == "pretrained":
        for name, value in plain.state_dict().items():
            assert torch.equal(model.state_dict()[name], value), name


@pytest.mark.parametrize("interval", [0, -1, 1.5, "3"])
def test_bad_intervals_are_refused(interval: Any) -> None:
    with pytest.raises(SettingError, match="dcn_interval="):
        build(18, dcn_interval=interval)


def test_plain_convolutions_in_blocks_of_stride_2_are_refused() -> None:
    with pytest.raises(SettingError, match="fallback_on_stride"):
        DeformableResNet(18, dcn=DCN | {"fallback_on_stride": True}, stage_with_dcn=C3_TO_C5)
