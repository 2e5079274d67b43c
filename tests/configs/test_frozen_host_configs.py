"""Tests of the configs of scorers on frozen hosts, without the hosts' weights."""

from functools import cache, partial
from pathlib import Path

import pytest
import torch
from mmengine.hub import get_config

from msrcnn_mm.engine.checks.model import check_heads
from tests.configs.config_files import CONFIGS, FROZEN, build, load, plain

host_of = cache(partial(get_config, pretrained=True))
OWN = [name for name in FROZEN if not name.startswith("frozen_host/")]
NAMED = [name for name in FROZEN if name.startswith("frozen_host/")]


@pytest.mark.parametrize("name", NAMED)
def test_images_are_those_of_the_hosts_test(name: str) -> None:
    config = load(name)
    theirs = host_of(config.model.host).test_dataloader.dataset.pipeline
    for mode in ("train", "val", "test"):
        ours = config[f"{mode}_dataloader"].dataset.pipeline
        steps = [plain(s) for s in (ours, theirs)]
        of_image = [
            [{k: v for k, v in step.items() if k != "backend_args"} for step in pipeline[:-2]]
            for pipeline in steps
        ]
        assert of_image[0] == of_image[1]
        assert ours[-2].type == theirs[-2].type == "LoadAnnotations" and ours[-2].with_mask
        assert ours[-1].type == "PackDetInputs"


@pytest.mark.parametrize("name", NAMED)
def test_weights_are_named_by_mmdetection(name: str) -> None:
    assert host_of(load(name).model.host).model_path.endswith(".pth")
    assert len((CONFIGS / name).read_text().splitlines()) < 15


@pytest.mark.parametrize("name", OWN)
def test_a_scorer_on_a_host_of_this_folder(name: str, tmp_path: Path) -> None:
    config = load(name)
    host = dict(config.model.host, backbone=dict(config.model.host.backbone, init_cfg=None))
    torch.save(build(host).state_dict(), tmp_path / "host.pth")
    own = dict(host=host, checkpoint=str(tmp_path / "host.pth"), cache_dir=None)
    model = build(dict(config.model, **own))
    assert {key.partition(".")[0] for key in model.state_dict()} == {"scorer", "host_fingerprint"}
    check_heads(config.model, config.train_dataloader.dataset.metainfo.classes)
    trained, tested = (
        [plain(step) for step in config[f"{mode}_dataloader"].dataset.pipeline]
        for mode in ("train", "test")
    )
    assert [step for step in trained if step["type"] != "LoadAnnotations"] == tested
    assert trained[-2]["type"] == "LoadAnnotations" and trained[-2]["with_mask"]
