"""Tests RTMDet-Ins against MMDetection's own class and a plain loop."""

from typing import Any

import pytest
import torch

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

HOST = "rtmdet/rtmdet-ins_tiny_8xb32-300e_coco.py"


@pytest.mark.parametrize("rescale", [True, False])
def test_results_are_mmdetections_with_those_of_the_maps(
    rescale: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = pair(tiny_config(HOST), std=0.7)
    predict, maps = theirs.bbox_head._mask_predict_by_feat_single, []

    def keep(*args: Any) -> torch.Tensor:
        maps.append(predict(*args))
        return maps[-1]

    monkeypatch.setattr(theirs.bbox_head, "_mask_predict_by_feat_single", keep)
    results = predictions(ours, rescale=rescale), predictions(theirs, rescale=rescale)
    for mine, expected, logits, (_, height, width) in zip(*results, maps, SHAPES, strict=True):
        assert len(mine) == 10 and mine.masks.any()
        assert_same(mine, expected)
        probs = logits.sigmoid()[:, : height // 8, : width // 8]  # without the batch's padding
        compare_probabilities(mine, probs, probs > 0.5)
    assert_encoded(ours, results[0], rescale)


def test_images_without_a_detection() -> None:
    model = tiny_config(HOST)
    model.test_cfg.score_thr = 1.1
    ours, theirs = pair(model)
    assert_empty(ours, theirs)


def test_the_head_that_shares_no_convolution() -> None:
    model = tiny_config(HOST)
    model.bbox_head.type = "RTMDetInsHead"
    for key in ("share_conv", "pred_kernel_size"):
        del model.bbox_head[key]
    ours, theirs = pair(model)
    for mine, expected in zip(predictions(ours), predictions(theirs), strict=True):
        assert_same(mine, expected)
