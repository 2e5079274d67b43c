"""Access to a runner's model, which several hooks need."""

from collections.abc import Callable
from typing import Any

from mmengine.model import is_model_wrapper
from torch import nn
from torch.utils.hooks import RemovableHandle


def bare_model(model: Any) -> nn.Module:
    """Returns a model without its wrappers, such as ``MMDistributedDataParallel``."""
    while is_model_wrapper(model):
        model = model.module
    return model


def change_predictions(model: nn.Module, change: Callable[[Any], None]) -> RemovableHandle:
    """Has a model's predictions changed before anything else sees them.

    Every ``test_step`` and ``val_step`` of mmengine calls the model itself, behind all wrappers,
    with ``mode="predict"``. A forward hook of torch takes its results there.

    Args:
        model: The model, perhaps in a wrapper.
        change: Called with the data sample of each image; changes it in place.

    Returns:
        The handle whose ``remove`` ends it.
    """

    def hook(module: nn.Module, args: tuple, kwargs: dict[str, Any], samples: Any) -> None:
        if kwargs.get("mode") == "predict":
            for sample in samples:
                change(sample)

    return bare_model(model).register_forward_hook(hook, with_kwargs=True)
