"""Registers the package's modules with MMDetection and applies the patches."""

from importlib import import_module

_MODULES = (
    "mmdet.models",  # first, so that our classes replace its, not the reverse
    "msrcnn_mm.engine.cpu_amp",
    "msrcnn_mm.engine.results.dump",
    "msrcnn_mm.engine.results.metric",
    "msrcnn_mm.engine.results.visualizer",
    "msrcnn_mm.interop.detectron_convention",
    "msrcnn_mm.interop.yolact_convention",
    "msrcnn_mm.models.hosts.deformable_resnet",
    "msrcnn_mm.models.hosts.mask_scoring_roi_head",
    "msrcnn_mm.models.hosts.mask_scoring_yolact",
    "msrcnn_mm.models.hosts.yolact",
    "msrcnn_mm.models.hosts.yolact_protonet",
    "msrcnn_mm.models.scorers.fast_mask_iou_head",
    "msrcnn_mm.models.scorers.mask_iou_head",
)


def register_all() -> None:
    """Registers every module by importing it, and applies the patches; again does nothing."""
    for name in _MODULES:
        import_module(name)
    from .compat.patches import mend_libraries
    from .engine.checkpoints.loading import load_checkpoint_safely
    from .engine.results.calibration import let_detectors_calibrate

    mend_libraries()
    load_checkpoint_safely()
    let_detectors_calibrate()
