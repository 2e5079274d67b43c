"""Patches of mmcv, MMDetection and mmengine, applied by one explicit call.

Each patch is one function. It, or its file, says what is wrong in which version, and which version
fixes it.
"""

from functools import cache

from .code_in_checkpoints import (
    keep_inferencers_from_running_configs,
    keep_the_fork_from_allowing_globals,
)
from .configs import format_each_text_once, read_metafiles_once
from .deformable_convolution import run_deformable_convolutions_in_parallel
from .nms import run_nms_in_float32


@cache
def apply_patches() -> None:
    """Applies every patch; a second call does nothing."""
    format_each_text_once()
    read_metafiles_once()
    run_nms_in_float32()
    run_deformable_convolutions_in_parallel()
    keep_inferencers_from_running_configs()
    keep_the_fork_from_allowing_globals()
