"""ResNets with deformable convolutions at intervals, as YOLACT++ has them (arXiv 1912.06218)."""

from typing import Any

from mmcv.cnn import build_conv_layer
from mmdet.models.backbones import ResNet
from mmdet.registry import MODELS
from torch import nn

from msrcnn_mm.errors import SettingError

from ..settings import require_whole


@MODELS.register_module()
class DeformableResNet(ResNet):
    """A ResNet where every ``dcn_interval``-th block of a stage has a deformable convolution.

    In MMDetection's own a stage has them in all blocks or in none, and ResNet-18 and -34 cannot
    have them. Here the 3x3 convolution ``conv2`` becomes deformable, in block 0,
    ``dcn_interval``, 2 ``dcn_interval`` and so on of each stage that ``stage_with_dcn`` names.
    Parameter names are MMDetection's, and so is the model where the interval is 1.

    Args:
        *args: what MMDetection's ``ResNet`` takes.
        dcn_interval: from one deformable block of a stage to the next.
        **kwargs: what MMDetection's ``ResNet`` takes, ``dcn`` and ``stage_with_dcn`` among them.

    Raises:
        SettingError: the interval is no whole number above 0, or ``dcn`` asks for plain
            convolutions in blocks of stride 2 (``fallback_on_stride``).
    """

    def __init__(self, *args: Any, dcn_interval: int = 1, **kwargs: Any) -> None:
        require_whole("DeformableResNet: dcn_interval", dcn_interval, least=1)
        self.dcn_interval = dcn_interval  # before the stages are made
        super().__init__(*args, **kwargs)

    def make_res_layer(self, dcn: dict | None = None, **kwargs: Any) -> nn.Sequential:
        """A stage, deformable where ``dcn`` is given."""
        stage = super().make_res_layer(dcn=None, **kwargs)
        if dcn is not None:
            if dcn.get("fallback_on_stride"):
                raise SettingError("DeformableResNet: dcn.fallback_on_stride is only of ResNet")
            for block in list(stage)[:: self.dcn_interval]:
                block.conv2 = _deformable(block.conv2, dcn)
        return stage


def _deformable(conv: nn.Conv2d, dcn: dict) -> nn.Module:
    """A deformable convolution of another's shape."""
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
