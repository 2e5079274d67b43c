"""Types of numbers for which mmcv has no operators."""

import torch
from torch import Tensor


def lacks_kernels(tensor: Tensor) -> bool:
    """Returns whether mmcv has no RoIAlign and NMS for the tensor's type on its device.

    So it is in mmcv 2.1.0, for bf16 and, on a CPU, for fp16. No version is known that mends it.
    """
    return tensor.dtype == torch.bfloat16 or (
        tensor.dtype == torch.float16 and tensor.device.type == "cpu"
    )
