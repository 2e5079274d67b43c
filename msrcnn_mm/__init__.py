"""Trains, measures, calibrates and shows the scores of instance segmentation.

Where MMDetection is installed, importing the package registers its modules with MMDetection.
Modules that have the name of one of MMDetection's, as ``MaskIoUHead`` and ``MaskScoringRoIHead``,
take its place. Without MMDetection the package works on the results of any framework, and imports
neither torch nor MMDetection's libraries.
"""

import sys
from importlib import import_module
from typing import Any

from .registration import is_mmdetection_installed, register_all

__version__ = "0.1.0"

_CLASSES = {
    "FastMaskIoUHead": "msrcnn_mm.models.scorers.fast_mask_iou_head",
    "MaskIoUHead": "msrcnn_mm.models.scorers.mask_iou_head",
    "MaskScoringInferencer": "msrcnn_mm.engine.adapters.inferencer",
    "MaskScoringRoIHead": "msrcnn_mm.models.hosts.mask_scoring_roi_head",
}

__all__ = [*_CLASSES, "__version__"]


def __getattr__(name: str) -> Any:
    """Imports a class that needs MMDetection when it is first asked for."""
    if name not in _CLASSES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_CLASSES[name]), name)


def _is_run_as_command() -> bool:
    """Returns whether this import is that of ``python -m msrcnn_mm``.

    Its commands that need MMDetection register themselves; the others need not wait for it. Python
    sets ``argv[0]`` to the module's file only after this import.
    """
    return sys.argv[:1] == ["-m"] and " -m msrcnn_mm " in " ".join([*sys.orig_argv, ""])


if is_mmdetection_installed() and not _is_run_as_command():
    register_all()
