"""Lays a model out channels-last."""

import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from msrcnn_mm.errors import UserError

from ..adapters.predictions import bare_model


@HOOKS.register_module()
class ChannelsLastHook(Hook):
    """Lays the weights of convolutions out channels-last, in training and test.

    Convolutions then compute feature maps in the same layout, which is faster on some processors
    and GPUs; docs/performance.md has figures. Values differ by rounding.
    """

    def before_run(self, runner: Runner) -> None:
        """Changes the layout.

        Args:
            runner: The run.

        Raises:
            UserError: The model has a layer of mmcv that reads such feature maps wrongly.
        """
        model = bare_model(runner.model)
        for name, module in model.named_modules():
            if type(module).__module__.startswith("mmcv.ops."):
                raise UserError(
                    f"ChannelsLastHook: {name} is mmcv's {type(module).__name__}, which reads"
                    " channels-last feature maps wrongly: remove the hook from custom_hooks"
                )
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
