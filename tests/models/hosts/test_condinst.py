"""Tests CondInst and BoxInst against MMDetection's own classes and a plain loop."""

from typing import Any

import pytest
import torch

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
    "condinst/condinst_r50_fpn_ms-poly-90k_coco_instance.py",
    "boxinst/boxinst_r50_fpn_ms-90k_coco.py",
]


@pytest.mark.parametrize("name", HOSTS)
@pytest.mark.parametrize("rescale", [True, False])
def test_results_are_mmdetections_with_those_of_the_maps(
    name: str, rescale: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = pair(tiny_config(name))
    predict, maps = theirs.mask_head._predict_by_feat_single, []

    def keep(mask_preds: torch.Tensor, **kwargs: Any) -> Any:
        maps.append(mask_preds.sigmoid())
        return predict(mask_preds=mask_preds, **kwargs)

    monkeypatch.setattr(theirs.mask_head, "_predict_by_feat_single", keep)
    results = predictions(ours, rescale=rescale), predictions(theirs, rescale=rescale)
    for mine, expected, probs, (_, height, width) in zip(*results, maps, SHAPES, strict=True):
        assert len(mine) == 10 and mine.masks.any()
        assert_same(mine, expected)
        probs = probs[:, : height // 4, : width // 4]  # without the batch's padding
        compare_probabilities(mine, probs, probs > 0.5)
    monkeypatch.setattr(mask_encoding, "_AT_ONCE", 3 * 96 * 128)
    assert_encoded(ours, results[0], rescale)


@pytest.mark.parametrize("name", HOSTS)
def test_images_without_a_detection(name: str) -> None:
    model = tiny_config(name)
    model.test_cfg.score_thr = 1.1
    ours, theirs = pair(model)
    assert_empty(ours, theirs)
