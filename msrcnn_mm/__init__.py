"""Instance-segmentation scores that mean what they say, inside MMDetection 3.x.

Importing the package registers its modules with MMDetection; those that have the name of one of
MMDetection's, as ``MaskIoUHead`` and ``MaskScoringRoIHead``, take its place.
"""

from .versions import check_versions

check_versions()  # first, so that libraries that do not fit are named before one of them fails

# ruff: noqa: E402
import mmdet.models  # noqa: F401  # first, so that our classes replace its, not the reverse

from . import (  # noqa: F401  # they register
    cpu_amp,
    deformable_resnet,
    detectron_convention,
    evaluation,
    mask_scoring_yolact,
    score_visualizer,
    yolact_convention,
    yolact_protonet,
)
from .calibrated_detectors import let_detectors_calibrate
from .checkpoints import load_checkpoint_safely
from .fast_mask_iou_head import FastMaskIoUHead
from .mask_iou_head import MaskIoUHead
from .mask_scoring_roi_head import MaskScoringRoIHead
from .quirks import mend_libraries

__all__ = ["FastMaskIoUHead", "MaskIoUHead", "MaskScoringRoIHead", "__version__"]

__version__ = "0.1.0"

mend_libraries()
load_checkpoint_safely()
let_detectors_calibrate()
