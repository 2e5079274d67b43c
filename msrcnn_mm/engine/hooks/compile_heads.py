"""Compiles the heads of two-stage detectors."""

import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from msrcnn_mm.errors import UserError

from ..adapters.predictions import bare_model

HEADS = ("rpn_head", "roi_head.bbox_head", "roi_head.mask_head", "roi_head.mask_iou_head")
"""Names of the modules that are compiled, those that a detector has."""


@HOOKS.register_module()
class CompileHeadsHook(Hook):
    """Compiles the networks of a two-stage detector's heads by ``torch.compile``.

    The first steps take minutes; docs/performance.md says what the others gain. Values differ by
    rounding. Checkpoints stay the same.
    """

    def before_run(self, runner: Runner) -> None:
        """Replaces the heads' ``forward`` by compiled ones.

        Args:
            runner: The run.

        Raises:
            UserError: The model has none of :data:`HEADS`.
        """
        modules = dict(bare_model(runner.model).named_modules())
        heads = [modules[name] for name in HEADS if name in modules]
        if not heads:
            raise UserError(
                "CompileHeadsHook: the model has no rpn_head and no roi_head of one stage: remove"
                " the hook from custom_hooks"
            )
        for head in heads:
            head.forward = torch.compile(head.forward, dynamic=True)
