"""Tests Mask2Former and MaskFormer against MMDetection's own class and a plain loop."""

from typing import Any

import pytest
import torch

from tests.support.tiny_hosts import (
    assert_empty,
    assert_encoded,
    assert_same,
    compare_probabilities,
    pair,
    predictions,
    tiny_config,
)

HOST = "mask2former/mask2former_r50_8xb2-lsj-50e_coco.py"


def queries(results: Any, mask_cls: torch.Tensor, mask_pred: torch.Tensor) -> list[int]:
    """Finds the query of each detection by its mask and score, one after the other."""
    masks, found = mask_pred > 0, []
    scores = mask_cls.softmax(dim=-1)
    means = (mask_pred.sigmoid() * masks).sum((1, 2)) / (masks.sum((1, 2)) + 1e-6)
    for mask, label, score in zip(results.masks, results.labels, results.scores, strict=True):
        fits = [
            query
            for query in range(len(masks))
            if torch.equal(masks[query], mask)
            and abs(scores[query, label] * means[query] - score) < 1e-7
        ]
        assert len(fits) == 1
        found += fits
    return found


@pytest.mark.parametrize("things", [3, 2])
@pytest.mark.parametrize("rescale", [True, False])
def test_results_are_mmdetections_with_those_of_the_queries(
    things: int, rescale: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny_config(HOST)
    for head in (model.panoptic_head, model.panoptic_fusion_head):
        head.update(num_things_classes=things, num_stuff_classes=3 - things)
    ours, theirs = pair(model, std=2)
    post, seen = theirs.panoptic_fusion_head.instance_postprocess, []

    def keep(mask_cls: torch.Tensor, mask_pred: torch.Tensor) -> Any:
        seen.append((mask_cls, mask_pred))
        return post(mask_cls, mask_pred)

    monkeypatch.setattr(theirs.panoptic_fusion_head, "instance_postprocess", keep)
    results = predictions(ours, rescale=rescale), predictions(theirs, rescale=rescale)
    for mine, expected, (mask_cls, mask_pred) in zip(*results, seen, strict=True):
        assert 0 < len(mine) <= 10 and mine.masks.any()
        assert_same(mine, expected)
        probs = mask_pred[queries(mine, mask_cls, mask_pred)].sigmoid()
        compare_probabilities(mine, probs, mine.masks)
        # the host's scores have the mean in them
        class_scores = mine.scores / mine.foreground_probs
        assert (class_scores <= 1 + 1e-5).all()
    assert_encoded(ours, results[0], rescale)


def test_images_without_a_detection() -> None:
    model = tiny_config(HOST)
    for head in (model.panoptic_head, model.panoptic_fusion_head):
        head.update(num_things_classes=0, num_stuff_classes=3)
    ours, theirs = pair(model)
    assert_empty(ours, theirs)
