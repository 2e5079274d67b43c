"""Changes of a config by the options of a training, and where a training starts and resumes."""

from mmengine.config import Config

from msrcnn_mm.errors import UserError, warn

from ..checkpoints.loading import require_file
from ..checkpoints.place import CheckpointPlace


def scale_learning_rate(config: Config) -> None:
    """Turns on the scaling of the learning rate by the batch size.

    Raises:
        UserError: The config does not name the batch size that its learning rate is for.
    """
    if not (config.get("auto_scale_lr") or {}).get("base_batch_size"):
        raise UserError(
            "--auto-scale-lr: the config names no batch size that its learning rate is for; add "
            "auto_scale_lr = dict(enable=False, base_batch_size=16)"
        )
    config.auto_scale_lr.enable = True


def check_length(config: Config) -> None:
    """Checks that the training has a length; mmengine ends without a message where it is 0.

    Raises:
        UserError: It has none.
    """
    for key in ("max_epochs", "max_iters"):
        length = (config.get("train_cfg") or {}).get(key)
        if length is not None and (not isinstance(length, int) or length < 1):
            raise UserError(f"train_cfg.{key} must be an integer >= 1, not {length!r}")


def set_start(config: Config, resume: str | None) -> bool:
    """Sets the checkpoint that the training starts from.

    Args:
        config: The config; changed in place.
        resume: The checkpoint to resume from, ``auto`` for the last in the work folder, None to
            start as the config says.

    Returns:
        Whether the training resumes from a checkpoint.

    Raises:
        UserError: The checkpoint's file does not exist, or the work folder has lost its checkpoint.
    """
    if resume is not None:
        config.resume = True
        config.load_from = None if resume == "auto" else resume
    if config.get("load_from"):
        require_file(config.load_from)
        return bool(config.get("resume"))
    if not config.get("resume"):
        return False
    if CheckpointPlace.of_config(config).last() is not None:
        return True  # ResumeHook has the runner find it
    warn(f"no checkpoint in {config.work_dir}: the training starts from the beginning")
    return False
