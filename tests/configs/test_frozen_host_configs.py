"""Tests of the configs of scorers on frozen hosts, without the hosts' weights."""

from functools import cache, partial

import pytest
from mmengine.hub import get_config

from tests.configs.config_files import CONFIGS, FROZEN, load, plain

host_of = cache(partial(get_config, pretrained=True))
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
