"""Two processes that share the images compute the same figures as one."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.dataset import DefaultSampler
from torch import distributed, multiprocessing

from msrcnn_mm.engine.adapters.dump import DumpCocoResults
from msrcnn_mm.engine.adapters.metric import MaskScoreMetric
from tests.engine.adapters.test_metric import data_samples
from tests.support.coco_scenes import CATEGORIES, coco_dict, random_scene

IMAGES = 5  # an odd number: the sampler gives the second process the first image once more


def evaluate(folder: Path, name: str, samples: list[dict[str, Any]]) -> None:
    """Tests with both metrics on this process's share; writes what they return."""
    share = DefaultSampler(samples, shuffle=False)  # type: ignore[arg-type]
    metrics = [
        DumpCocoResults(folder / f"{name}.json", folder / "gt.json"),
        MaskScoreMetric(ann_file=str(folder / "gt.json"), metric=["bbox", "segm"]),
    ]
    returned = []
    for metric in metrics:
        metric.dataset_meta = {"classes": tuple(CATEGORIES.values())}
        for index in share:
            metric.process({}, [samples[index]])
        assert len(metric.results) == len(share)
        returned.append(metric.evaluate(IMAGES))
    (folder / f"{name}.{share.rank}").write_text(json.dumps(returned))


def process(rank: int, folder: Path, samples: list[dict[str, Any]]) -> None:
    torch.set_num_threads(1)  # a forked process has none of its parent's threads
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2
    )
    evaluate(folder, "two", samples)
    distributed.destroy_process_group()


@pytest.mark.parametrize("seed", [1, 2])
def test_two_processes_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    monkeypatch.chdir(tmp_path)  # mmengine collects in a folder below it
    annotations, detections = random_scene(seed, IMAGES)
    assert any(d["image_id"] == 10 for d in detections)  # the image that comes twice
    (tmp_path / "gt.json").write_text(json.dumps(coco_dict(annotations, IMAGES)))
    samples = data_samples(detections, IMAGES)
    evaluate(tmp_path, "one", samples)
    workers = multiprocessing.start_processes(
        process, (tmp_path, samples), nprocs=2, join=False, start_method="fork"
    )
    try:
        assert workers.join(timeout=60) or workers.join(timeout=60)
    finally:
        for worker in workers.processes:
            worker.kill()

    def read(name: str) -> Any:
        return json.loads((tmp_path / name).read_text())

    assert read("two.json") == read("one.json")
    assert len(read("two.json")) == len(detections)
    assert read("two.0") == read("two.1") == read("one.0")
    assert "coco/segm_mAP_mask_score" in read("two.1")[1]
