"""Resuming from the work folder's own checkpoint, with the schedule of the config."""

import logging
from pathlib import Path

from mmengine.dist import all_gather_object
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.optim import OptimWrapperDict
from mmengine.registry import HOOKS
from mmengine.runner import BaseLoop, Runner, find_latest_checkpoint

from msrcnn_mm.errors import UserError

from ..checkpoints.optimizer import check_optimizer
from ..checkpoints.place import CheckpointPlace
from ..checkpoints.schedule import follow_config
from .first_process import run_in_first_process


@HOOKS.register_module()
class ResumeHook(Hook):
    """Resumes a training from its own checkpoint and follows the config's schedule.

    Where the run names no checkpoint, that of its work folder is taken, also when the folder was
    moved or copied since; mmengine takes the path that it recorded, whichever training's that is.
    mmengine also restores the checkpoint's schedule in the place of the config's. Where the two
    differ, this hook restores the learning rate that the config's has at this point.

    Raises:
        CheckpointError: The work folder has lost its checkpoint, or the checkpoint was trained with
            another optimizer.
    """

    # after CheckpointFitHook, whose message is the better one for another model
    priority = "LOWEST"

    def before_run(self, runner: Runner) -> None:
        """Has ``last_checkpoint``, which mmengine reads next, name the folder's own checkpoint.

        Raises:
            UserError: The machines of a distributed run have other checkpoints than each other.
        """
        if not runner._resume or runner._load_from is not None or runner._has_loaded:
            return
        place = CheckpointPlace.of_runner(runner)
        run_in_first_process(lambda: _record_last(place))
        names = all_gather_object(find_latest_checkpoint(runner.work_dir))
        if len({name and Path(name).name for name in names}) > 1:
            raise UserError(
                f"{runner.work_dir}: not all machines have the checkpoint that the first resumes"
                " from: let them share the work folder, or copy the checkpoint to all of them and"
                " name it with --resume"
            )

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Changes what mmengine is about to restore from the checkpoint."""
        if not runner._resume or not isinstance(runner._train_loop, BaseLoop):
            return
        _rename_best(CheckpointPlace.of_runner(runner), checkpoint)
        if isinstance(runner.optim_wrapper, OptimWrapperDict):
            return  # several optimizers, which no detector here has
        filename = str(runner._load_from or find_latest_checkpoint(runner.work_dir))
        for message in (
            *check_optimizer(runner, checkpoint, filename),
            *follow_config(runner, checkpoint, filename),
        ):
            print_log(message, logger="current", level=logging.WARNING)


def _record_last(place: CheckpointPlace) -> None:
    """Writes the path of a place's last checkpoint where mmengine reads it."""
    last = place.last()
    if last is None:
        return
    place.record(last.path)
    if last.note is not None:
        print_log(last.note, logger="current", level=logging.WARNING)


def _rename_best(place: CheckpointPlace, checkpoint: dict) -> None:
    """Has the checkpoint name the best one in its own place, or none.

    ``CheckpointHook`` deletes the best checkpoint when it has a better one. By the recorded path,
    the training in a copied folder would delete that of the folder it was copied from.
    """
    hub = checkpoint.get("message_hub") or {}
    info = hub.get("runtime_info") or {}
    for key in [key for key in info if key.startswith("best_ckpt") and info[key]]:
        own = place.file(info[key])
        if "://" in own or Path(own).is_file():
            info[key] = own
        else:
            del info[key]
            hub["resumed_keys"].pop(key, None)
