"""What the libraries below us cannot do and we need, mended once at import.

Each quirk is one function that says what is wrong and since when, so that it can be deleted when
the library is mended.
"""

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from mmdet.models.detectors import YOLACT
from mmdet.models.roi_heads.roi_extractors import BaseRoIExtractor, SingleRoIExtractor
from torch import Tensor

from .cpu_deformable_convolution import deformable_convolution

_mended = False


def mend_libraries() -> None:
    """Applies every quirk; a second call does nothing."""
    global _mended
    if not _mended:
        _run_roi_align_in_float32()
        _run_nms_in_float32()
        _run_deformable_convolutions_well()
        _read_yolact_of_mmdetection_2()
        _mended = True


def _lacks_kernels(tensor: Tensor) -> bool:
    """Whether mmcv (2.1.0) has no RoIAlign and NMS for the tensor's type on its device."""
    return tensor.dtype == torch.bfloat16 or (
        tensor.dtype == torch.float16 and tensor.device.type == "cpu"
    )


def _run_roi_align_in_float32() -> None:
    """In mmcv 2.1.0 there is no RoIAlign for bf16, nor for fp16 on a CPU.

    The RoIs stay float32 as well: MMDetection rounds them to the features' type, and bf16 has
    8 significant bits, which is 4 pixels at a coordinate of 1000.
    """
    original = SingleRoIExtractor.forward

    @wraps(original)
    def forward(
        self: BaseRoIExtractor, feats: tuple[Tensor, ...], rois: Tensor, *args: Any, **kwargs: Any
    ) -> Tensor:
        if not _lacks_kernels(feats[0]):
            return original(self, feats, rois, *args, **kwargs)
        wide = tuple(level.float() for level in feats)
        return original(self, wide, rois.float(), *args, **kwargs).to(feats[0].dtype)

    SingleRoIExtractor.forward = forward


def _run_nms_in_float32() -> None:
    """In mmcv 2.1.0 there is no NMS for bf16, nor for fp16 on a CPU."""
    module = sys.modules["mmcv.ops.nms"]  # the package exports a function of the same name

    def widened(original: Callable) -> Callable:
        @wraps(original)
        def suppress(boxes: Any, scores: Any, *args: Any, **kwargs: Any) -> tuple:
            if isinstance(scores, Tensor) and _lacks_kernels(scores):
                boxes, scores = boxes.float(), scores.float()
            return original(boxes, scores, *args, **kwargs)

        return suppress

    # batched_nms looks the functions up in its module by the name in the config
    for name in ("nms", "soft_nms"):
        setattr(module, name, widened(getattr(module, name)))


def _run_deformable_convolutions_well() -> None:
    """In mmcv 2.1.0 there is no deformable convolution for bf16, and a slow one for CPUs."""

    def mended(original: Callable, on_cpu: Callable) -> Callable:
        @wraps(original)
        def convolve(feats: Tensor, offset: Tensor, *args: Any) -> Tensor:
            # all in the offset's type, as mmcv's operators have it
            dtype = torch.float32 if _lacks_kernels(offset) else offset.dtype
            others = [arg.to(dtype) if isinstance(arg, Tensor) else arg for arg in args]
            operator = on_cpu if feats.device.type == "cpu" else original
            return operator(feats.to(dtype), offset.to(dtype), *others).to(offset.dtype)

        return convolve

    def unmodulated(
        feats: Tensor,
        offset: Tensor,
        weight: Tensor,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        deform_groups: int = 1,
        bias: bool = False,  # mmcv's function takes these two as well, and there is no bias
        im2col_step: int = 32,
    ) -> Tensor:
        return deformable_convolution(
            feats, offset, None, weight, None, stride, padding, dilation, groups, deform_groups
        )

    operators: dict[str, Callable] = {
        "deform_conv": unmodulated,
        "modulated_deform_conv": deformable_convolution,
    }
    for name, on_cpu in operators.items():
        function = f"{name}2d"
        original = getattr(sys.modules[f"mmcv.ops.{name}"], function)
        better = mended(original, on_cpu)
        for module in [*sys.modules.values()]:  # some hold it by its name
            if getattr(module, "__name__", "").startswith(("mmcv.", "mmdet.")) and (
                vars(module).get(function) is original
            ):
                setattr(module, function, better)


def _read_yolact_of_mmdetection_2() -> None:
    """MMDetection 3 has YOLACT's segmentation branch elsewhere than the checkpoints of its zoo."""
    original = YOLACT._load_from_state_dict

    @wraps(original)
    def load(self: YOLACT, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        own = self.state_dict()
        for name in ("weight", "bias"):
            old, new = f"segm_head.segm_conv.{name}", f"mask_head.segm_branch.segm_conv.{name}"
            found = state_dict.get(prefix + old)
            # one of other classes stays where it is, and is reported as not fitting
            if found is not None and new in own and found.shape == own[new].shape:
                state_dict[prefix + new] = state_dict.pop(prefix + old)
        original(self, state_dict, prefix, *args)

    YOLACT._load_from_state_dict = load
