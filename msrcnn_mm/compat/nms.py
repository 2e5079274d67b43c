"""NMS in half precision."""

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

from torch import Tensor

from .missing_kernels import lacks_kernels


def run_nms_in_float32() -> None:
    """Runs ``nms`` and ``soft_nms`` in float32 where mmcv lacks them for half precision.

    Wrong in mmcv 2.1.0, which has no NMS for bf16, nor for fp16 on a CPU. No version is known that
    mends it.
    """
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
