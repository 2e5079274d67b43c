"""RoIAlign in half precision."""

from functools import wraps
from typing import Any

from mmdet.models.roi_heads.roi_extractors import BaseRoIExtractor, SingleRoIExtractor
from torch import Tensor

from .missing_kernels import lacks_kernels


def run_roi_align_in_float32() -> None:
    """Runs ``SingleRoIExtractor`` in float32 where mmcv lacks the operator for half precision.

    Wrong in mmcv 2.1.0, which has no RoIAlign for bf16, nor for fp16 on a CPU. No version is known
    that mends it. The RoIs stay float32 as well: MMDetection rounds them to the features' type, and
    bf16 has 8 significant bits, which is 4 pixels at a coordinate of 1000.
    """
    original = SingleRoIExtractor.forward

    @wraps(original)
    def forward(
        self: BaseRoIExtractor, feats: tuple[Tensor, ...], rois: Tensor, *args: Any, **kwargs: Any
    ) -> Tensor:
        if not lacks_kernels(feats[0]):
            return original(self, feats, rois, *args, **kwargs)
        wide = tuple(level.float() for level in feats)
        return original(self, wide, rois.float(), *args, **kwargs).to(feats[0].dtype)

    SingleRoIExtractor.forward = forward
