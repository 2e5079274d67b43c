"""Selects the values of one class out of those of all classes."""

import torch
from torch import Tensor


def select_class(values: Tensor, labels: Tensor) -> Tensor:
    """Returns each RoI's values for its own class.

    Args:
        values: (R, C, ...), or (R, 1, ...) if all classes share the values.
        labels: (R,) classes in [0, C).

    Returns:
        (R, ...).
    """
    if values.size(1) == 1:
        return values[:, 0]
    return values[torch.arange(labels.size(0), device=labels.device), labels]
