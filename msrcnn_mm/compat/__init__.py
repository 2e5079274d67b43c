"""Patches of mmcv and mmengine, applied by one explicit call.

Each patch is one function that says what is wrong, in which version, and which version mends it.
"""


def apply_patches() -> None:
    """Applies every patch; a second call does nothing."""
    # imported here, so that nothing of the package's light half imports torch
    from .deformable_convolution import run_deformable_convolutions_in_parallel
    from .inferencer import keep_inferencers_from_running_configs
    from .nms import run_nms_in_float32
    from .roi_align import run_roi_align_in_float32
    from .safe_globals import keep_the_fork_from_allowing_globals

    global _applied
    if not _applied:
        run_roi_align_in_float32()
        run_nms_in_float32()
        run_deformable_convolutions_in_parallel()
        keep_inferencers_from_running_configs()
        keep_the_fork_from_allowing_globals()
        _applied = True


_applied = False
