"""NMS in half precision.

mmcv 2.1.0 has it neither for bf16, nor for fp16 on a CPU. No version is known that fixes it.
"""

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from torch import Tensor


def lacks_kernels(tensor: Tensor) -> bool:
    """Returns whether mmcv has no operators for the tensor's type on its device."""
    return tensor.dtype == torch.bfloat16 or (
        tensor.dtype == torch.float16 and tensor.device.type == "cpu"
    )


def run_nms_in_float32() -> None:
    """Runs ``nms`` and ``soft_nms`` in float32 where mmcv lacks them for half precision."""
    module = sys.modules["mmcv.ops.nms"]  # the package exports a function of the same name

    def widened(original: Callable) -> Callable:
        @wraps(original)
        def suppress(boxes: Any, scores: Any, *args: Any, **kwargs: Any) -> tuple:
            if isinstance(scores, Tensor) and lacks_kernels(scores):
                boxes, scores = boxes.float(), scores.float()
            return original(boxes, scores, *args, **kwargs)

        return suppress

    # batched_nms looks the functions up in its module by the name in the config
    for name in ("nms", "soft_nms"):
        setattr(module, name, widened(getattr(module, name)))
