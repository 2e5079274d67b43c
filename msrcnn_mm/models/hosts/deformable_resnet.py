"""ResNets with deformable convolutions at intervals, as in YOLACT++ (arXiv 1912.06218)."""

from typing import Any

from mmcv.cnn import build_conv_layer
from mmdet.models.backbones import ResNet
from mmdet.registry import MODELS
from torch import nn

from msrcnn_mm.errors import SettingError

from ..settings import require_integer


@MODELS.register_module()
class DeformableResNet(ResNet):
    """A ResNet with a deformable convolution in every ``dcn_interval``-th block of a stage.

    The 3x3 convolution ``conv2`` becomes deformable in blocks 0, ``dcn_interval``,
    2 ``dcn_interval`` and so on of each stage that ``stage_with_dcn`` names, as in section 6.2 of
    the paper. MMDetection's ``ResNet`` makes it deformable in all blocks of a stage or in none, and
    in no block of ResNet-18 and -34. Parameter names are MMDetection's; with an interval of 1 the
    models are the same.

    Args:
        *args: arguments of MMDetection's ``ResNet``.
        dcn_interval: number of blocks from one deformable block of a stage to the next, >= 1.
        **kwargs: keyword arguments of ``ResNet``, ``dcn`` and ``stage_with_dcn`` among them.

    Raises:
        SettingError: if ``dcn_interval`` is not an integer >= 1, or ``dcn`` has
            ``fallback_on_stride``.
    """

    def __init__(self, *args: Any, dcn_interval: int = 1, **kwargs: Any) -> None:
        require_integer("DeformableResNet: dcn_interval", dcn_interval, least=1)
        self.dcn_interval = dcn_interval  # ResNet's constructor calls make_res_layer
        super().__init__(*args, **kwargs)

    def make_res_layer(self, dcn: dict | None = None, **kwargs: Any) -> nn.Sequential:
        """Builds a stage, with deformable convolutions if ``dcn`` is given."""
        stage = super().make_res_layer(dcn=None, **kwargs)
        if dcn is not None:
            if dcn.get("fallback_on_stride"):
                raise SettingError(
                    "DeformableResNet: dcn.fallback_on_stride is not supported: use ResNet"
                )
            for block in list(stage)[:: self.dcn_interval]:
                block.conv2 = _deformable(block.conv2, dcn)
        return stage


def _deformable(conv: nn.Conv2d, dcn: dict) -> nn.Module:
    """Builds a deformable convolution of the same shape as ``conv``."""
    settings = {key: value for key, value in dcn.items() if key != "fallback_on_stride"}
    return build_conv_layer(
        settings,
        conv.in_channels,
        conv.out_channels,
        conv.kernel_size,
        stride=conv.stride,
        padding=conv.padding,
        dilation=conv.dilation,
        bias=False,
    )
