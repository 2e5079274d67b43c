"""Trainings that go on after an interruption as if there had been none."""

import logging
from typing import Any

import torch
from mmengine.dist import get_dist_info
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.registry import HOOKS
from mmengine.runner import BaseLoop, IterBasedTrainLoop, Runner
from mmengine.runner.loops import _InfiniteDataloaderIterator
from torch.utils.data import DataLoader

from ..adapters.predictions import bare_model
from .seeded_batches import SeededBatches, seed_random_numbers, seeded_loader
from .termination import outlive_sigterm

POSITION = "position"
GRADIENTS = "gradients"
"""Entries of a checkpoint beside mmengine's."""


@HOOKS.register_module()
class ExactResumeHook(Hook):
    """Has a resumed training compute what it would have computed without the interruption.

    Every iteration and every image that is loaded draws random numbers of its own, seeded by the
    run's seed and the number of the iteration or the image's place. No state of a process has to be
    kept, and the number of workers does not matter. A checkpoint gets two entries: ``position``, by
    which a training that was saved within an epoch goes on there, and ``gradients``, where the
    optimizer had yet to use some. A validation that was due and is not in the checkpoint is run.
    """

    # after DistSamplerSeedHook, which sets the sampler's epoch, and before CheckpointHook
    priority = "LOW"

    def __init__(self) -> None:
        self._batches: SeededBatches | None = None
        self._done = 0  # batches of this epoch
        self._validated = -1  # the iteration of the last validation
        self._resumed: dict[str, Any] = {}  # entries of the checkpoint

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Keeps the entries of the checkpoint from which a training resumes."""
        entries = {key: checkpoint.pop(key, {}) for key in (POSITION, GRADIENTS)}
        if runner._resume:
            self._resumed = entries

    def before_train(self, runner: Runner) -> None:
        """Replaces the training's loader by one of seeded batches."""
        loop, config = runner.train_loop, runner._train_dataloader
        for name, gradient in self._resumed.get(GRADIENTS, {}).items():
            parameter = bare_model(runner.model).get_parameter(name)
            parameter.grad = gradient.to(parameter.device)
        if isinstance(config, DataLoader) or config.get("batch_size", 1) is None:
            print_log(
                "train_dataloader is no config of a loader of batches: the training cannot be"
                " resumed exactly",
                logger="current",
                level=logging.WARNING,
            )
            return
        rank, _ = get_dist_info()
        seed = runner.seed - rank * bool(runner._randomness_cfg.get("diff_rank_seed"))
        dataset = loop.dataloader.dataset
        loop.dataloader = seeded_loader(runner.build_dataloader, config, dataset, seed)
        outlive_sigterm(loop.dataloader)
        self._batches = loop.dataloader.batch_sampler
        if isinstance(loop, IterBasedTrainLoop):
            passes = self._batches.skip(runner.iter)
            loop.dataloader_iterator = _Iterator(loop.dataloader, runner.iter, passes)

    def before_train_epoch(self, runner: Runner) -> None:
        """Numbers the epoch's batches, and leaves out those that the checkpoint is past."""
        loop = runner.train_loop
        self._validate_if_due(runner)
        position = self._resumed.pop(POSITION, {})
        if self._batches is None or isinstance(loop, IterBasedTrainLoop):
            return
        self._done = _start(runner, position)
        self._batches.number = runner.epoch * len(self._batches)
        if self._done:
            self._batches.skip(self._done)
            start, run_iter = self._done, loop.run_iter
            loop.run_iter = lambda idx, data_batch: run_iter(start + idx, data_batch)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Seeds the random numbers of the iteration."""
        seed_random_numbers(runner.seed, runner.iter, seed_torch=torch.manual_seed)

    def after_train_iter(self, runner: Runner, batch_idx: int, *args: Any, **kwargs: Any) -> None:
        """Counts the batch."""
        self._done = batch_idx + 1

    def after_train_epoch(self, runner: Runner) -> None:
        """Begins to count anew."""
        self._done = 0
        vars(runner.train_loop).pop("run_iter", None)

    def after_val(self, runner: Runner) -> None:
        """Remembers when a training was validated."""
        if isinstance(runner._train_loop, BaseLoop):
            self._validated = runner.iter

    def after_train(self, runner: Runner) -> None:
        """Validates the last epoch, where that is all that was left."""
        self._validate_if_due(runner)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Adds the position, and gradients that the optimizer has not used yet."""
        checkpoint[POSITION] = dict(done=self._done, validated=self._validated, **_shape(runner))
        wrapper = runner.optim_wrapper
        if getattr(wrapper, "_accumulative_counts", 1) > 1 and not wrapper.should_update():
            checkpoint[GRADIENTS] = {
                name: parameter.grad.cpu()
                for name, parameter in bare_model(runner.model).named_parameters()
                if parameter.grad is not None
            }

    def _validate_if_due(self, runner: Runner) -> None:
        """Runs the validation that follows the checkpoint's epoch or iteration."""
        loop, position = runner.train_loop, self._resumed.get(POSITION, {})
        by_epoch = not isinstance(loop, IterBasedTrainLoop)
        validated = position.pop("validated", runner.iter)
        if validated == runner.iter or runner.val_loop is None or (by_epoch and position["done"]):
            return
        loop._decide_current_val_interval()
        step, end = (runner.epoch, loop.max_epochs) if by_epoch else (runner.iter, loop.max_iters)
        if step >= loop.val_begin and (step % loop.val_interval == 0 or step == end):
            runner.val_loop.run()


def _start(runner: Runner, position: dict[str, int]) -> int:
    """Returns how many batches of the first epoch are behind a training."""
    done = position.pop("done", 0)
    if done and position != _shape(runner):
        print_log(
            f"the checkpoint was saved after batch {done} of an epoch of {position.get('batches')};"
            " batches have changed since, so the epoch starts again",
            logger="current",
            level=logging.WARNING,
        )
        return 0
    return done


class _Iterator(_InfiniteDataloaderIterator):
    """Iterates over a loader without end, after batches that ``IterBasedTrainLoop`` drops.

    Args:
        loader: The loader; the batches are left out of it already.
        dropped: Their number. The loop takes and drops as many when it resumes.
        passes: How many passes over the data are in them.
    """

    def __init__(self, loader: DataLoader, dropped: int, passes: int) -> None:
        super().__init__(loader)
        self._dropped, self._epoch = dropped, passes

    def __next__(self) -> Any:
        if self._dropped:
            self._dropped -= 1
            return None
        return super().__next__()


def _shape(runner: Runner) -> dict[str, int]:
    """Returns what must be the same for a batch to have the same images."""
    loader = runner.train_loop.dataloader
    size = getattr(loader.batch_sampler, "batch_size", None) or 0
    if not isinstance(size, int):
        size = sum(size)
    _, world_size = get_dist_info()
    return dict(batches=len(loader), batch_size=size, processes=world_size)
