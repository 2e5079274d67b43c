"""Tests that YOLACT loads checkpoints with the keys of MMDetection 2."""

import torch
from mmdet.models import detectors
from mmdet.registry import MODELS

from msrcnn_mm.models.hosts.yolact import YOLACT
from tests.support import tiny, tiny_yolact

OLD, NEW = "segm_head.segm_conv.", "mask_head.segm_branch.segm_conv."


def with_old_keys(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {key.replace(NEW, OLD): value for key, value in weights.items()}


def test_replaces_the_built_in() -> None:
    assert MODELS.get("YOLACT") is YOLACT
    assert type(tiny.build(tiny_yolact.tiny_config())) is YOLACT
    assert issubclass(YOLACT, detectors.YOLACT)


def test_old_keys_are_loaded() -> None:
    config = tiny_yolact.tiny_config()
    weights = tiny.build(config, seed=1).state_dict()
    model = tiny.build(config)
    assert not torch.equal(model.state_dict()[f"{NEW}weight"], weights[f"{NEW}weight"])
    old = with_old_keys(weights)
    assert old.keys() != weights.keys()
    model.load_state_dict(old, strict=True)
    for key, value in model.state_dict().items():
        assert torch.equal(value, weights[key]), key
    assert f"{OLD}weight" in old  # the caller's dictionary does not change


def test_old_keys_below_a_prefix_are_loaded() -> None:
    model = torch.nn.Sequential(tiny.build(tiny_yolact.tiny_config()))
    model.load_state_dict(with_old_keys(model.state_dict()), strict=True)


def test_old_weights_of_other_classes_are_reported() -> None:
    config = tiny_yolact.tiny_config()
    old = with_old_keys(tiny.build(config).state_dict())
    for head in (config.model.bbox_head, config.model.mask_head):
        head.num_classes += 1
    model = tiny.build(config)
    own = model.state_dict()
    fitting = {key: w for key, w in old.items() if key not in own or w.shape == own[key].shape}
    result = model.load_state_dict(fitting, strict=False)
    segm = [f"{NEW}{part}" for part in ("weight", "bias")]
    assert [key for key in result.missing_keys if "segm" in key] == segm
    assert result.unexpected_keys == [f"{OLD}{part}" for part in ("weight", "bias")]
