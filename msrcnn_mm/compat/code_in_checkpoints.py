"""Keeps mmengine from running code that a checkpoint holds."""

from functools import wraps
from typing import Any

from mmengine.infer import BaseInferencer
from mmengine.runner import checkpoint


def keep_inferencers_from_running_configs() -> None:
    """Makes inferencers refuse weights without a config beside them.

    Wrong in mmengine 0.10.7: an inferencer built from weights alone runs the config text inside the
    checkpoint as Python. No version is known that fixes it.
    """
    original = BaseInferencer._init_model

    @wraps(original)
    def init_model(self: BaseInferencer, cfg: Any, weights: Any, *args: Any, **kwargs: Any) -> Any:
        if not cfg:
            raise ValueError(
                f"{weights}: an inferencer needs a config beside its weights (model=CONFIG): the "
                "one inside them would be run as Python. If you trust where it comes from, write "
                "meta['cfg'] to a file"
            )
        return original(self, cfg, weights, *args, **kwargs)

    BaseInferencer._init_model = init_model


def keep_the_fork_from_allowing_globals() -> None:
    """Empties the list of globals that ``onedl-mmengine`` allows while it loads a checkpoint.

    Wrong in onedl-mmengine 0.10.12, which allows ``getattr`` and NumPy's own constructors in place
    of the stand-ins of :mod:`msrcnn_mm.engine.checkpoints.safe_unpickling`: a checkpoint could run
    code. No version is known that fixes it. mmengine 0.10.7 has no such list.
    """
    if hasattr(checkpoint, "get_torch_safe_globals"):
        checkpoint.get_torch_safe_globals = list
