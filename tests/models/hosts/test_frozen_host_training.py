"""Tests of trainings with a frozen host: averaged weights, resuming, two processes."""

from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import torch
import torch.distributed as dist
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from msrcnn_mm.engine.hooks.exact_resume import ExactResumeHook
from msrcnn_mm.engine.hooks.resume import ResumeHook
from tests.models.hosts.test_frozen_host import MASK_RCNN, Host, _host, frozen, training_batch
from tests.models.scorers.test_tp_share_head import random_detections
from tests.support.coco_files import SIDE, write_data_set
from tests.support.small_runs import CLASSES
from tests.support.toy_runs import read_checkpoint

EPOCHS = 2


def train(root: Path, host: Host, folder: Path, **settings: Any) -> Runner:
    """Trains for two epochs of two steps, with averaged weights."""
    config, checkpoint, strides = host
    pipeline = [
        dict(type="LoadImageFromFile"),
        dict(type="Resize", scale=(2 * SIDE, 2 * SIDE), keep_ratio=True),
        dict(type="LoadAnnotations", with_bbox=True, with_mask=True),
        dict(
            type="PackDetInputs",
            meta_keys=("img_id", "img_path", "ori_shape", "img_shape", "scale_factor"),
        ),
    ]
    dataset = dict(
        type="CocoDataset",
        data_root=f"{root}/",
        ann_file="train.json",
        data_prefix=dict(img="train/"),
        metainfo=dict(classes=CLASSES),
        pipeline=pipeline,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mmengine.runner.runner.collect_env", dict)  # it calls compilers
        patch.setattr("mmengine.runner.loops.time.sleep", lambda seconds: None)  # between epochs
        runner = Runner(
            model=dict(
                type="FrozenHost",
                host=config,
                checkpoint=checkpoint,
                scorer=dict(type="TPShareHead", num_classes=len(CLASSES)),
                featmap_strides=strides,
                cache_dir=f"{root}/cache",
            ),
            work_dir=str(folder),
            train_dataloader=dict(
                dataset=dataset,
                batch_size=1,
                num_workers=0,
                sampler=dict(type="DefaultSampler"),
                collate_fn=dict(type="pseudo_collate"),
            ),
            train_cfg=dict(by_epoch=True, max_epochs=EPOCHS),
            optim_wrapper=dict(type="OptimWrapper", optimizer=dict(type="AdamW", lr=0.01)),
            default_hooks=dict(checkpoint=dict(type="CheckpointHook", interval=1)),
            custom_hooks=[dict(type="EMAHook", momentum=0.5), ResumeHook(), ExactResumeHook()],
            default_scope="mmdet",
            experiment_name=uuid4().hex,  # what runs of one name log is shared
            log_level="ERROR",
            **{"randomness": dict(seed=0), **settings},
        )
        runner.train()
    return runner


def test_averaged_weights_and_resuming(tmp_path: Path) -> None:
    host = _host(MASK_RCNN, tmp_path / "host.pth")
    root = write_data_set(tmp_path / "data", CLASSES)
    runner = train(root, host, tmp_path / "run")
    last = f"epoch_{EPOCHS}.pth"
    saved = read_checkpoint(tmp_path / "run" / last)
    average, now = saved["state_dict"], saved["ema_state_dict"]
    assert {name.split(".")[0] for name in average} == {"scorer", "host_fingerprint"}
    moved = [name for name in average if not torch.equal(average[name], now[f"module.{name}"])]
    assert moved and all(name.startswith("scorer.") for name in moved)
    weights = runner.model.host.state_dict()
    for name, value in read_checkpoint(Path(host[1]))["state_dict"].items():
        assert torch.equal(value, weights[name]), name

    first = str(tmp_path / "run" / "epoch_1.pth")
    train(root, host, tmp_path / "again", resume=True, load_from=first, randomness=dict(seed=7))
    resumed = read_checkpoint(tmp_path / "again" / last)
    for key in ("state_dict", "ema_state_dict"):
        assert saved[key].keys() == resumed[key].keys()
        for name, value in saved[key].items():
            assert torch.equal(value, resumed[key][name]), name


def learn(rank: int, host: Host, folder: Path) -> dict[str, Tensor]:
    """Joins the process group, trains two steps, and returns what they found."""
    init_default_scope("mmdet")
    dist.init_process_group(
        "gloo",
        init_method=f"file://{folder}/store",
        rank=rank,
        world_size=2,
        timeout=timedelta(seconds=120),
    )
    found = two_steps(rank, host, folder)
    dist.destroy_process_group()  # not after an error, whose traceback keeps the wrapper
    return found


def two_steps(rank: int, host: Host, folder: Path) -> dict[str, Tensor]:
    """Trains a step in one of two processes, each of which has one of two images.

    A second step follows, in which the second process has no detections.

    The wrapper's reducer is gone when this returns. If it outlived the process group, it would hold
    Python's lock while it waits for a thread of gloo that needs the lock.

    Returns:
        The gradients of the first step, and the running statistics after each step.
    """
    torch.manual_seed(0)
    model = frozen(host, cache_dir=str(folder / "cache"))
    images, samples = training_batch(model)
    image, sample = images[rank : rank + 1], samples[rank : rank + 1]
    both = DistributedDataParallel(model, broadcast_buffers=False)  # as mmengine does
    found: dict[str, Tensor] = {}
    both(image, sample, mode="loss")["loss_tp_share"].backward()
    for name, parameter in model.scorer.named_parameters():
        found[name] = parameter.grad.clone()
    found["after_1"] = statistics_of(model)
    seen = random_detections(0 if rank else 4)
    model.scorer.quality_loss(seen, torch.zeros(len(seen.scores)))
    found["after_2"] = statistics_of(model)
    return found


def learn_and_write(host: Host, folder: Path) -> None:
    """Runs the second process."""
    torch.set_num_threads(1)
    torch.save(learn(1, host, folder), folder / "second.pth")


def statistics_of(model: nn.Module) -> Tensor:
    statistics = model.scorer.standardise
    return torch.stack((statistics.running_mean, statistics.running_var)).clone()


def test_two_processes_learn_from_the_images_of_both(tmp_path: Path) -> None:
    host = _host(MASK_RCNN, tmp_path / "host.pth")
    # a fork of a process that has computed gradients may hang
    process = get_context("spawn").Process(target=learn_and_write, args=(host, tmp_path))
    process.start()
    try:
        first = learn(0, host, tmp_path)
        process.join(120)
    finally:
        process.kill()
    assert process.exitcode == 0
    second = torch.load(tmp_path / "second.pth", weights_only=True)
    for name, value in first.items():
        assert torch.equal(value, second[name]), name

    own = []
    for i in (0, 1):
        torch.manual_seed(0)
        model = frozen(host, cache_dir=str(tmp_path / "own"))  # which rounds
        images, samples = training_batch(model)
        model.loss(images[i : i + 1], samples[i : i + 1])
        own.append(statistics_of(model))
    assert (own[0] - own[1]).abs().max() > 1e-3
    torch.testing.assert_close(first["after_1"], (own[0] + own[1]) / 2)
    statistics = model.scorer.standardise
    statistics.running_mean.copy_(first["after_1"][0])
    statistics.running_var.copy_(first["after_1"][1])
    model.scorer.standardise.eval()
    for i in (0, 1):
        loss = model.loss(images[i : i + 1], samples[i : i + 1])["loss_tp_share"]
        (loss / 2).backward()
    for name, parameter in model.scorer.named_parameters():
        torch.testing.assert_close(first[name], parameter.grad, msg=name)

    model.scorer.standardise.train()
    model.scorer.quality_loss(random_detections(4), torch.zeros(4))
    torch.testing.assert_close(first["after_2"], (first["after_1"] + statistics_of(model)) / 2)
