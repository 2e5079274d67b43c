"""Tests of trainings and tests in several processes on CPUs, beside those of a single process."""

import json
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config

from tests.support import tiny
from tests.support.coco_files import write_data_set
from tests.support.processes import ROOT, run_python
from tests.support.small_runs import CLASSES, small_config


def run(processes: int, tool: str, *args: object) -> None:
    """Runs one of the tools in some processes, a single one without a launcher."""
    words = [ROOT / "tools" / f"{tool}.py", *args]
    if processes > 1:
        launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", processes]
        words = [*launcher, *words, "--launcher", "pytorch"]
    done = run_python(*words)
    assert not done.returncode, done.stdout[-3000:] + done.stderr[-3000:]


def losses(folder: Path) -> np.ndarray:
    """Returns the loss of each iteration of a training."""
    (log,) = folder.glob("*/vis_data/scalars.json")
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    return np.array([row["loss"] for row in rows if "loss" in row])


def weights(folder: Path, epoch: int) -> torch.Tensor:
    """Returns what a training learned; a batch's variance depends on its number of images."""
    loaded = torch.load(folder / f"epoch_{epoch}.pth", weights_only=True)["state_dict"]
    learned = [value for name, value in loaded.items() if "running" not in name]
    return torch.cat([value.flatten().double() for value in learned])


def test_two_processes_train_as_one(tmp_path: Path) -> None:
    """Each loss is a mean over an image's RoIs, so each image has as many: its three instances."""
    root = write_data_set(tmp_path / "data", CLASSES, count=4)
    config = Config.fromfile(small_config(root))
    config.train_cfg.val_interval = 9
    config.randomness = dict(seed=0)
    config.param_scheduler = []  # the full rate from the first step on
    config.model.backbone.norm_eval = True
    config.model.train_cfg.rpn.sampler.update(num=10**6, pos_fraction=1)
    config.model.train_cfg.rpn_proposal.min_bbox_size = 10**6
    for step in config.train_dataloader.dataset.pipeline:
        if step.type == "RandomFlip":
            step.prob = 0.0
    for processes in (1, 2):
        config.train_dataloader.batch_size = 2 // processes
        file, folder = tmp_path / f"of_{processes}.py", tmp_path / f"{processes}"
        config.dump(file)
        run(processes, "train", file, "--work-dir", folder)
    start, one = (weights(tmp_path / "1", epoch) for epoch in (1, 2))
    assert (one - start).abs().max() > 1e-3
    assert (one - weights(tmp_path / "2", 2)).abs().max() < 1e-6


def test_results_of_three_processes_are_those_of_one(tmp_path: Path) -> None:
    """Of four images, so two are tested once more; a process's only image has no instance."""
    root = write_data_set(tmp_path / "data", CLASSES, count=4)
    truth = json.loads((root / "val.json").read_text())
    truth["annotations"] = [one for one in truth["annotations"] if one["image_id"] != 2]
    (root / "val.json").write_text(json.dumps(truth))
    config = small_config(root)
    weights = tmp_path / "weights.pth"
    torch.save(dict(state_dict=tiny.build(Config.fromfile(config)).state_dict()), weights)
    files = []
    for processes in (1, 3):
        files.append(tmp_path / f"{processes}.json")
        folder = tmp_path / f"{processes}"
        run(processes, "test", config, weights, "--work-dir", folder, "--out", files[-1])
    assert files[0].read_bytes() == files[1].read_bytes()
    assert {row["image_id"] for row in json.loads(files[0].read_text())} == {1, 2, 3, 4}


def test_a_process_with_nothing_to_learn_from_is_not_waited_for(tmp_path: Path) -> None:
    """Three images in two processes, so one is used twice; no RoI of an empty image is positive."""
    root = write_data_set(tmp_path / "data", CLASSES, count=3)
    truth = json.loads((root / "train.json").read_text())
    truth["annotations"] = [one for one in truth["annotations"] if one["image_id"] != 2]
    (root / "train.json").write_text(json.dumps(truth))
    config = Config.fromfile(small_config(root))
    config.train_dataloader.batch_size = 1
    config.train_dataloader.sampler.shuffle = False
    config.train_dataloader.dataset.filter_cfg = dict(filter_empty_gt=False)
    config.dump(tmp_path / "config.py")
    run(2, "train", tmp_path / "config.py", "--work-dir", tmp_path / "run")
    assert len(losses(tmp_path / "run")) == 4  # two batches an epoch
    assert np.isfinite(losses(tmp_path / "run")).all()
