"""Tests of trainings with a frozen host: averaged weights, resuming, two processes."""

from multiprocessing import get_context
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import torch
import torch.distributed as dist
from mmengine.runner import Runner
from torch.nn.parallel import DistributedDataParallel

from msrcnn_mm.engine.hooks.exact_resume import ExactResumeHook
from msrcnn_mm.engine.hooks.resume import ResumeHook
from tests.models.hosts.test_frozen_host import MASK_RCNN, Host, _host, frozen, training_batch
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


def learn(rank: int, host: Host, folder: Path) -> None:
    """Writes the gradients of one of two processes, each of which has one of two images."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    model = frozen(host, cache_dir=str(folder / "cache"))
    images, samples = training_batch(model)
    both = DistributedDataParallel(model)
    loss = both(images[rank : rank + 1], samples[rank : rank + 1], mode="loss")["loss_mask_iou"]
    loss.backward()
    gradients = {name: p.grad for name, p in model.scorer.named_parameters()}
    torch.save(gradients, folder / f"{rank}.pth")
    dist.destroy_process_group()


def test_two_processes_learn_from_the_images_of_both(tmp_path: Path) -> None:
    host = _host(MASK_RCNN, tmp_path / "host.pth")
    processes = [
        get_context("fork").Process(target=learn, args=(i, host, tmp_path)) for i in (0, 1)
    ]
    for process in processes:
        process.start()
    model = frozen(host, cache_dir=str(tmp_path / "own"))  # which rounds
    images, samples = training_batch(model)
    for i in (0, 1):
        loss = model.loss(images[i : i + 1], samples[i : i + 1])["loss_mask_iou"]
        (loss / 2).backward()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    for i in (0, 1):
        found = torch.load(tmp_path / f"{i}.pth", weights_only=True)
        for name, parameter in model.scorer.named_parameters():
            torch.testing.assert_close(found[name], parameter.grad, msg=name)
