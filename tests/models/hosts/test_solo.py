"""Tests SOLO and SOLOv2 against MMDetection's own classes and a plain loop."""

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - PyTorch's own idiom
from mmengine.config import ConfigDict

from msrcnn_mm.models.hosts import mask_encoding
from tests.support.tiny_hosts import (
    SHAPES,
    assert_empty,
    assert_encoded,
    assert_same,
    compare_probabilities,
    pair,
    predictions,
    tiny_config,
)

HOSTS = [
    "solo/solo_r50_fpn_1x_coco.py",
    "solo/decoupled-solo_r50_fpn_1x_coco.py",
    "solo/decoupled-solo-light_r50_fpn_3x_coco.py",
    "solov2/solov2_r50_fpn_1x_coco.py",
]


@pytest.mark.parametrize("name", HOSTS)
def test_results_are_mmdetections_with_those_of_the_kept_maps(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = pair(tiny_config(name), std=2)
    results = predictions(ours)
    interpolate, predict = F.interpolate, theirs.mask_head._predict_by_feat_single
    scaled: list[torch.Tensor] = []
    maps: list[torch.Tensor] = []

    def noting(x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        scaled.append(x)
        return interpolate(x, *args, **kwargs)

    def keep(*args: Any, **kwargs: Any) -> Any:
        scaled.clear()
        found = predict(*args, **kwargs)
        maps.append(scaled[0][0])  # MMDetection scales the maps of the detections
        return found

    monkeypatch.setattr(F, "interpolate", noting)
    monkeypatch.setattr(theirs.mask_head, "_predict_by_feat_single", keep)
    for mine, expected, probs, (_, height, width) in zip(
        results, predictions(theirs), maps, SHAPES, strict=True
    ):
        assert len(mine) == 10 and mine.masks.any()
        assert_same(mine, expected)
        probs = probs[:, : math.ceil(height / 4), : math.ceil(width / 4)]
        compare_probabilities(mine, probs, probs > 0.5)
    monkeypatch.setattr(mask_encoding, "_AT_ONCE", 3 * 96 * 128)
    assert_encoded(ours, results)


@pytest.mark.parametrize("name", HOSTS)
def test_images_without_a_detection(name: str) -> None:
    """No candidate is likely, large enough, or left by Matrix NMS."""
    ours, theirs = pair(tiny_config(name))
    for setting in ("score_thr", "mask_thr", "filter_thr"):
        for model in (ours, theirs):
            model.mask_head.test_cfg = ConfigDict(theirs.test_cfg, **{setting: 1.1})
        assert_empty(ours, theirs)
    assert predictions(ours)[0].masks.dtype == torch.bool
