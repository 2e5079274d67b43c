"""Instance-segmentation scores that mean what they say, inside MMDetection 3.x.

Importing the package registers its modules with MMDetection; those that have the name of one of
MMDetection's, as ``MaskIoUHead`` and ``MaskScoringRoIHead``, take its place.
"""

from .versions import check_versions

check_versions()  # first, so that libraries that do not fit are named before one of them fails

# ruff: noqa: E402
from .registration import register_all

register_all()

from .models.hosts.mask_scoring_roi_head import MaskScoringRoIHead
from .models.scorers.fast_mask_iou_head import FastMaskIoUHead
from .models.scorers.mask_iou_head import MaskIoUHead

__all__ = ["FastMaskIoUHead", "MaskIoUHead", "MaskScoringRoIHead", "__version__"]

__version__ = "0.1.0"
