"""Registers the package's modules with MMDetection and applies the patches."""

from importlib import import_module
from importlib.util import find_spec

from msrcnn_mm.errors import UserError

from .versions import check_versions

_MODULES = (
    "mmdet.models",  # first, so that our classes replace its, not the reverse
    "msrcnn_mm.engine.hooks.channels_last",
    "msrcnn_mm.engine.hooks.checkpoint_fit",
    "msrcnn_mm.engine.hooks.exact_resume",
    "msrcnn_mm.engine.hooks.finite_loss",
    "msrcnn_mm.engine.hooks.late_removal",
    "msrcnn_mm.engine.hooks.mask_encoding",
    "msrcnn_mm.engine.hooks.compile_heads",
    "msrcnn_mm.engine.hooks.multi_view",
    "msrcnn_mm.engine.hooks.oracle",
    "msrcnn_mm.engine.hooks.overwrite_guard",
    "msrcnn_mm.engine.hooks.rescorer",
    "msrcnn_mm.engine.hooks.resume",
    "msrcnn_mm.engine.hooks.run_checks",
    "msrcnn_mm.engine.hooks.termination",
    "msrcnn_mm.engine.hooks.visualization",
    "msrcnn_mm.engine.adapters.dump",
    "msrcnn_mm.engine.adapters.inferencer",
    "msrcnn_mm.engine.adapters.metric",
    "msrcnn_mm.engine.adapters.visualizer",
    "msrcnn_mm.engine.adapters.coco_dataset",
    "msrcnn_mm.engine.runs.mixed_precision",
    "msrcnn_mm.engine.journaled_test.loop",
    "msrcnn_mm.engine.views.detector",
    "msrcnn_mm.interop.detectron_convention",
    "msrcnn_mm.interop.yolact_convention",
    "msrcnn_mm.models.hosts.condinst",
    "msrcnn_mm.models.hosts.deformable_resnet",
    "msrcnn_mm.models.hosts.detection_scoring",
    "msrcnn_mm.models.hosts.frozen_host",
    "msrcnn_mm.models.hosts.mask_heads",
    "msrcnn_mm.models.hosts.mask_scoring_roi_head",
    "msrcnn_mm.models.hosts.mask_scoring_yolact",
    "msrcnn_mm.models.hosts.maskformer",
    "msrcnn_mm.models.hosts.roi_extractors",
    "msrcnn_mm.models.hosts.roi_heads",
    "msrcnn_mm.models.hosts.rtmdet_ins",
    "msrcnn_mm.models.hosts.solo",
    "msrcnn_mm.models.hosts.yolact",
    "msrcnn_mm.models.hosts.yolact_head",
    "msrcnn_mm.models.hosts.yolact_protonet",
    "msrcnn_mm.models.scorers.fast_mask_iou_head",
    "msrcnn_mm.models.scorers.mask_iou_head",
    "msrcnn_mm.models.scorers.tp_share_head",
)


def is_mmdetection_installed() -> bool:
    """Returns whether MMDetection is installed; imports nothing of it."""
    return find_spec("mmdet") is not None


def require_mmdetection(command: str) -> None:
    """Registers everything for a command that runs configs.

    Args:
        command: Its name, for the message.

    Raises:
        UserError: MMDetection is not installed, or a library below it is missing or does not fit.
    """
    if not is_mmdetection_installed():
        raise UserError(
            f"{command} needs MMDetection: run `make install` in a checkout, or install torch, "
            'mmcv and "msrcnn_mm[mmdet]" (see docs/install.md)'
        )
    try:
        check_versions()
    except ImportError as error:
        raise UserError(f"{command}: {error}") from error
    register_all()


def register_all() -> None:
    """Registers every module by importing it, and applies the patches; a second call does nothing.

    Raises:
        ImportError: A library that is installed does not fit; the message names it.
    """
    check_versions()  # first, so that such a library is named before one of them fails
    for name in _MODULES:
        import_module(name)
    from .compat import apply_patches
    from .engine.checkpoints.loading import register_safe_loaders
    from .engine.checkpoints.writing import register_atomic_backend

    apply_patches()
    register_safe_loaders()
    register_atomic_backend()
