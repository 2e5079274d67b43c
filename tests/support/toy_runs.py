"""Trainings of a model of a few weights by mmengine's runner, in a fraction of a second."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.runner import CheckpointLoader, Runner
from torch import nn
from torch.utils.data import Dataset

from msrcnn_mm.engine.hooks.resume import ResumeHook

IMAGES = 8


class Line(BaseModel):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 1)

    def forward(self, inputs: list[torch.Tensor], mode: str) -> Any:
        if mode == "predict":
            return inputs
        return dict(loss=self.layer(torch.stack(inputs)).square().mean())


class Ones(Dataset):
    def __len__(self) -> int:
        return IMAGES

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return dict(inputs=torch.ones(2))


class Rates(Hook):
    """Records what each iteration is trained with: the settings of each parameter group."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, list[tuple]]] = []

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        settings = ("lr", "momentum", "betas", "weight_decay")
        groups = runner.optim_wrapper.param_groups
        values = [tuple(group.get(key) for key in settings) for group in groups]
        self.seen.append((runner.iter, values))


def train(
    work_dir: Path,
    schedule: Any,
    epochs: int = 6,
    *,
    iterations: int | None = None,
    batch_size: int = 2,
    optimizer: dict | None = None,
    paramwise: dict | None = None,
    checkpoint: dict | None = None,
    metric: dict | None = None,
    ours: bool = True,
    **settings: Any,
) -> list[tuple[int, list[tuple]]]:
    """Trains, with four iterations an epoch by default.

    Args:
        work_dir: The run's folder.
        schedule: The ``param_scheduler``.
        epochs: How many.
        iterations: How many, in a loop that counts these.
        batch_size: Of 8 images.
        optimizer: Its settings.
        paramwise: Its ``paramwise_cfg``.
        checkpoint: Settings of ``CheckpointHook``.
        metric: What validates each epoch; nothing by default.
        ours: Whether ``ResumeHook`` is among them.
        **settings: Of the ``Runner``: ``resume`` and ``load_from``.

    Returns:
        The number and the parameter groups' settings of each iteration.
    """
    rates = Rates()
    saves = dict(type="CheckpointHook", interval=1, by_epoch=iterations is None)
    length = dict(max_epochs=epochs) if iterations is None else dict(max_iters=iterations)
    loader = dict(dataset=Ones(), batch_size=batch_size, sampler=dict(type="DefaultSampler"))
    if metric is not None:
        settings.update(val_dataloader=loader, val_cfg=dict(), val_evaluator=metric)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mmengine.runner.runner.collect_env", dict)  # it calls compilers
        patch.setattr("mmengine.runner.loops.time.sleep", lambda seconds: None)  # between epochs
        Runner(
            model=Line(),
            work_dir=str(work_dir),
            train_dataloader=loader,
            train_cfg=dict(by_epoch=iterations is None, **length),
            optim_wrapper=dict(
                type="OptimWrapper",
                optimizer=optimizer or dict(type="SGD", lr=0.1, momentum=0.9),
                paramwise_cfg=paramwise,
            ),
            param_scheduler=schedule,
            default_hooks=dict(checkpoint={**saves, **(checkpoint or {})}),
            custom_hooks=[rates, *([ResumeHook()] if ours else [])],
            default_scope="mmdet",
            experiment_name=uuid4().hex,  # what runs of one name log is shared
            **settings,
        ).train()
    return rates.seen


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Reads a checkpoint by the safe loader that the package registers."""
    return CheckpointLoader.load_checkpoint(str(path), map_location="cpu")
