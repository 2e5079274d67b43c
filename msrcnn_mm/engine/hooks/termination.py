"""Saving and stopping at SIGTERM, which a scheduler sends before it takes a machine away."""

import signal
import threading
from functools import partial
from typing import Any

import torch
from mmengine.dist import all_reduce, is_distributed, is_main_process
from mmengine.hooks import EMAHook, Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from ..checkpoints.place import CheckpointPlace

NAME = "interrupted.pth"
"""Name of the checkpoint that a terminated training leaves."""


class Terminated(SystemExit):
    """Ends a training that has saved its state, with the exit code of SIGTERM."""

    def __init__(self) -> None:
        super().__init__(128 + signal.SIGTERM)


@HOOKS.register_module()
class TerminationHook(Hook):
    """Saves a training after the step during which SIGTERM arrives, and ends it.

    The checkpoint is :data:`NAME` in the folder of the others, and ``--resume`` takes it. A
    validation is cut short, and runs again after ``ExactResumeHook`` resumes. A second SIGTERM ends
    the run at once.

    Raises:
        Terminated: After the checkpoint is written.
    """

    priority = "LOWEST"  # after the hooks that belong to the step

    def before_run(self, runner: Runner) -> None:
        """Remembers where checkpoints go."""
        self._received = False
        self._place = CheckpointPlace.of_runner(runner)

    def before_train(self, runner: Runner) -> None:
        """Takes SIGTERM, in the main thread, which alone may."""
        outlive_sigterm(runner.train_dataloader)
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGTERM, self._receive)

    def after_train(self, runner: Runner) -> None:
        """Gives SIGTERM back."""
        if signal.getsignal(signal.SIGTERM) == self._receive:
            signal.signal(signal.SIGTERM, self._before)

    def before_val(self, runner: Runner) -> None:
        """Keeps the workers of the validation."""
        outlive_sigterm(runner.val_dataloader)

    def after_train_iter(self, runner: Runner, *args: Any, **kwargs: Any) -> None:
        """Saves and ends if SIGTERM has arrived."""
        if self._is_over():
            self._end(runner, runner.iter + 1)

    def after_val_iter(self, runner: Runner, *args: Any, **kwargs: Any) -> None:
        """Saves and ends if SIGTERM has arrived in a validation of a training."""
        if self._is_over():
            for hook in runner.hooks:
                if isinstance(hook, EMAHook):
                    hook._swap_ema_parameters()  # back, as after the validation
            self._end(runner, runner.iter)

    def _receive(self, *_: Any) -> None:
        self._received = True
        signal.signal(signal.SIGTERM, self._before)

    def _is_over(self) -> bool:
        """Returns whether any process has received it."""
        if not is_distributed():
            return self._received
        received = torch.tensor(int(self._received))
        all_reduce(received)
        return bool(received)

    def _end(self, runner: Runner, iteration: int) -> None:
        meta = dict(epoch=runner.epoch, iter=iteration)
        runner.save_checkpoint(self._place.folder, NAME, meta=meta, by_epoch=False)
        if is_main_process():
            self._place.record(self._place.file(NAME))
            runner.logger.info(f"SIGTERM: saved {self._place.file(NAME)}")
        raise Terminated


def outlive_sigterm(loader: DataLoader) -> None:
    """Has the workers of a loader ignore SIGTERM, which schedulers send to all processes.

    A worker that dies would end the run before it is saved. Workers end with their process.
    """
    start = loader.worker_init_fn
    if getattr(start, "func", None) is not _start_worker:
        loader.worker_init_fn = partial(_start_worker, start)


def _start_worker(start: Any, worker: int) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if start is not None:
        start(worker)
