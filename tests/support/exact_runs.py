"""Trainings of a small network that draw random numbers at every place, to compare bit for bit."""

import random
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
import torch
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import Dataset

from msrcnn_mm.engine.hooks.exact_resume import ExactResumeHook
from msrcnn_mm.engine.hooks.resume import ResumeHook
from tests.support.toy_runs import read_checkpoint

IMAGES = 10
BATCH = 2
EPOCHS = 3
ITERATIONS = EPOCHS * IMAGES // BATCH


class Noisy(BaseModel):
    """Learns on batch statistics, with dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 1)
        )
        self.register_buffer("weight_of_a_real_one", torch.zeros(500_000))  # so that saving takes

    def forward(self, inputs: list[torch.Tensor], mode: str) -> Any:
        if mode == "predict":
            return inputs
        loss = self.layers(torch.stack(inputs)).square().mean()
        return dict(loss=loss * (1 + np.random.random()) + random.random())


class Augmented(Dataset):
    """Makes images with random numbers of Python, NumPy and torch."""

    def __len__(self) -> int:
        return IMAGES

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        noise = torch.tensor([random.random(), np.random.random(), float(torch.rand(())), index])
        return dict(inputs=noise)


class Losses(Hook):
    """Keeps the loss of each iteration."""

    def __init__(self) -> None:
        self.seen: dict[int, float] = {}

    def after_train_iter(self, runner: Runner, *args: Any, outputs: Any = None, **_: Any) -> None:
        self.seen[runner.iter] = outputs["loss"].item()


def train(
    folder: Path,
    *,
    workers: int = 0,
    hooks: Sequence[Hook] = (),
    exact: bool = True,
    loop: dict | None = None,
    loader: dict | None = None,
    metric: dict | None = None,
    optimizer: dict | None = None,
    checkpoint: dict | None = None,
    **settings: Any,
) -> dict[int, float]:
    """Trains, with a checkpoint after every iteration.

    Args:
        folder: The run's folder.
        workers: That load images.
        hooks: Further ones.
        exact: Whether ``ExactResumeHook`` is among them.
        loop: The ``train_cfg``.
        loader: Further settings of the ``train_dataloader``.
        metric: What validates; nothing by default.
        optimizer: Further settings of the ``optim_wrapper``.
        checkpoint: Further settings of ``CheckpointHook``.
        **settings: Of the ``Runner``: ``resume`` and ``load_from``.

    Returns:
        The loss of each iteration.
    """
    init_default_scope("mmdet")
    losses = Losses()
    data = dict(dataset=Augmented(), batch_size=BATCH, num_workers=workers)
    ours = [ResumeHook(), *([ExactResumeHook()] if exact else [])]
    if metric is not None:
        quiet = dict(data, sampler=dict(type="DefaultSampler", shuffle=False))
        settings.update(val_dataloader=quiet, val_cfg=dict(), val_evaluator=metric)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mmengine.runner.runner.collect_env", dict)  # it calls compilers
        patch.setattr("mmengine.runner.loops.time.sleep", lambda seconds: None)  # between epochs
        Runner(
            model=dict(type=Noisy),
            work_dir=str(folder),
            train_dataloader={**data, "sampler": dict(type="DefaultSampler"), **(loader or {})},
            train_cfg=loop or dict(by_epoch=True, max_epochs=EPOCHS),
            optim_wrapper=dict(
                type="OptimWrapper", optimizer=dict(type="AdamW", lr=0.1), **(optimizer or {})
            ),
            param_scheduler=[
                dict(type="LinearLR", start_factor=0.1, by_epoch=False, end=7),
                dict(type="MultiStepLR", milestones=[2]),
            ],
            default_hooks=dict(
                checkpoint={
                    **dict(type="CheckpointHook", interval=1, by_epoch=False),
                    **(checkpoint or {}),
                }
            ),
            custom_hooks=[losses, dict(type="EMAHook"), *ours, *hooks],
            default_scope="mmdet",
            experiment_name=uuid4().hex,  # what runs of one name log is shared
            **{"log_level": "ERROR", "randomness": dict(seed=1), **settings},
        ).train()
    return losses.seen


def digest(path: Path) -> str:
    """Returns a hash of the weights, EMA and optimizer of a checkpoint."""
    saved = read_checkpoint(path)
    states = saved["optimizer"]["state"].values()
    tensors = [*saved["state_dict"].values(), *saved["ema_state_dict"].values()]
    tensors += [value for state in states for value in state.values()]
    return sha256(b"".join(value.numpy().tobytes() for value in tensors)).hexdigest()
