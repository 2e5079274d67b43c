"""Comparison of the optimizer that a training resumes with the config's."""

from collections.abc import Iterator

from mmengine.runner import Runner

from msrcnn_mm.errors import CheckpointError, first_names

from .schedule import scheduled_names


def check_optimizer(runner: Runner, checkpoint: dict, filename: str) -> Iterator[str]:
    """Checks that the optimizer's state in a checkpoint is that of the config's optimizer.

    Args:
        runner: The runner that resumes, with its optimizer and schedulers built.
        checkpoint: As loaded.
        filename: Its name, for messages.

    Yields:
        A warning where the checkpoint has no such state, and one for each setting in which the two
        differ and that no scheduler sets: mmengine restores the checkpoint's.

    Raises:
        CheckpointError: The checkpoint is of another kind of optimizer, or of other parameters.
    """
    from_weights = f"start a new training from its weights with --cfg-options load_from={filename}"
    if "optimizer" not in checkpoint:
        yield (
            f"{filename}: holds no state of the optimizer, as the best checkpoints of a training "
            "do not: the optimizer starts anew"
        )
        return
    groups: list[dict] = runner.optim_wrapper.optimizer.param_groups
    saved: list[dict] = checkpoint["optimizer"]["param_groups"]
    sizes, saved_sizes = ([len(group["params"]) for group in each] for each in (groups, saved))
    if sizes != saved_sizes:
        raise CheckpointError(
            f"{filename}: its optimizer has {sum(saved_sizes)} parameters in {len(saved)} groups, "
            f"the config's {sum(sizes)} in {len(groups)}: use the optim_wrapper it was trained "
            f"with, or {from_weights}"
        )
    defaults = runner.optim_wrapper.defaults
    numbers = [key for key, value in defaults.items() if isinstance(value, int | float | tuple)]
    # torch itself adds the switches that a checkpoint of an older version lacks
    lacking = [k for k in numbers if k not in saved[0] and not isinstance(defaults[k], bool)]
    if lacking:
        raise CheckpointError(
            f"{filename}: was trained with another optimizer, one without {first_names(lacking)}: "
            f"use the optim_wrapper it was trained with, or {from_weights}"
        )
    scheduled = scheduled_names(runner, checkpoint)
    if "momentum" in scheduled:
        scheduled.add("betas")
    for key in numbers:
        pairs = [(old[key], new[key]) for old, new in zip(saved, groups, strict=True) if key in old]
        differing = [(old, new) for old, new in pairs if old != new]
        if differing and key not in scheduled:
            old, new = differing[0]
            yield (
                f"{filename}: the optimizer goes on with the checkpoint's {key} of {old}, not "
                f"{new} as the config says; to train with that, {from_weights}"
            )
