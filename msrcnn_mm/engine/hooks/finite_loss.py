"""Stopping of a training whose loss is not finite, with the images and a state to look into."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from msrcnn_mm.errors import UserError, first_names, warn

from ..adapters.predictions import bare_model
from ..checkpoints.place import CheckpointPlace


@HOOKS.register_module()
class FiniteLossHook(Hook):
    """Ends a training before a loss that is NaN or infinite changes its weights.

    It writes ``nonfinite_iter_N.pth``, the state before iteration N. A training that resumes from
    it loads the same images and draws the same random numbers. ``last_checkpoint`` stays.

    With a loss scaler (fp16) one such loss warns, because the scaler leaves its step out; the
    second in a row ends the training.

    Raises:
        UserError: With the losses that are not finite and the images of the batch.
    """

    def before_run(self, runner: Runner) -> None:
        """Remembers where checkpoints go."""
        self._place = CheckpointPlace.of_runner(runner)

    def before_train(self, runner: Runner) -> None:
        """Looks at each output of the model."""
        self._runner = runner
        self._images = self._images_before = "none"
        self._last_skipped = -2
        self._handle = runner.model.register_forward_hook(self._check)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Remembers the images of the batch."""
        self._images_before, self._images = self._images, _names(data_batch)

    def after_train(self, runner: Runner) -> None:
        """Looks no longer."""
        self._handle.remove()

    def _check(self, model: Any, args: Any, losses: Any) -> None:
        if not (model.training and isinstance(losses, Mapping)):
            return
        sums = {name: _sum(value) for name, value in losses.items() if "loss" in name}
        if not sums or torch.isfinite(_sum([*sums.values()])):  # the one wait for the GPU
            return
        runner, names = self._runner, self._images
        wrong = [f"{n} {float(v)}" for n, v in sums.items() if not torch.isfinite(v)]
        what = f"iteration {runner.iter + 1}: not finite: {first_names(wrong)}"
        if not all(torch.isfinite(p).all() for p in bare_model(runner.model).parameters()):
            raise UserError(
                f"{what}, because weights are not finite since the step before, on the images "
                f"{self._images_before}: lower the learning rate or set optim_wrapper.clip_grad, "
                "and go on from the last checkpoint with --resume"
            )
        scaler = getattr(runner.optim_wrapper, "loss_scaler", None)
        if scaler is not None and scaler.is_enabled() and self._last_skipped != runner.iter - 1:
            self._last_skipped = runner.iter
            warn(f"{what}, on the images {names}: the step is left out")
            return
        raise UserError(f"{what}, on the images {names}{self._saved()}")

    def _saved(self) -> str:
        """Saves the state before the iteration, in the first process, and says so."""
        runner = self._runner
        name = f"nonfinite_iter_{runner.iter + 1}.pth"
        if not is_main_process():
            return ""
        meta = dict(epoch=runner.epoch, iter=runner.iter)
        runner.save_checkpoint(self._place.folder, name, meta=meta, by_epoch=False)
        return f"; --resume {self._place.file(name)} computes that iteration again"


def _sum(value: Any) -> torch.Tensor:
    """Returns the sum of a loss, which may be a list of those of levels."""
    parts = value if isinstance(value, list | tuple) else [value]
    return torch.stack([part.detach().float().sum() for part in parts]).sum()


def _names(batch: Any) -> str:
    """Returns the files of a batch's images, or their ids."""
    samples = batch.get("data_samples") if isinstance(batch, Mapping) else None

    def found() -> Iterator[str]:
        for sample in samples or []:
            info = getattr(sample, "metainfo", {})
            yield str(info.get("img_path") or info.get("img_id"))

    return first_names([*found()], 16)
