"""The fork's list of what a checkpoint may name."""

from mmengine.runner import checkpoint


def keep_the_fork_from_allowing_globals() -> None:
    """Empties the list of globals that ``onedl-mmengine`` allows while it loads a checkpoint.

    Wrong in onedl-mmengine 0.10.12, which allows ``getattr`` and NumPy's own constructors in place
    of the stand-ins of :mod:`msrcnn_mm.engine.checkpoints.safe_unpickling`: a checkpoint could run
    code. No version is known that mends it. mmengine 0.10.7 has no such list.
    """
    if hasattr(checkpoint, "get_torch_safe_globals"):
        checkpoint.get_torch_safe_globals = list
