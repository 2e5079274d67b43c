"""Losses and gradients are finite on images and configs at the edge."""

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from torch import nn

from tests.support import tiny, tiny_yolact

SIDE = 96  # pixels


@cache
def model(host: str, classes: int = tiny.CLASSES) -> nn.Module:
    """Builds a host with a mask scorer; tests share it, so weights stay as they are."""
    if host == "yolact":
        config = tiny_yolact.tiny_config()
        heads = [config.model.bbox_head, config.model.mask_head]
        heads.append(config.model.mask_head.mask_iou_head)
    else:
        config = tiny.tiny_config()
        roi_head = config.model.roi_head
        heads = [roi_head.bbox_head, roi_head.mask_head, roi_head.mask_iou_head]
    for head in heads:
        head.num_classes = classes
    return tiny.build(config)


def set_boxes(sample: DetDataSample, boxes: list[list[int]]) -> None:
    """Gives the instances whole-pixel boxes, and masks that fill them."""
    instances = sample.gt_instances
    masks = np.zeros((len(instances), SIDE, SIDE), np.uint8)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes, strict=True):
        mask[y1:y2, x1:x2] = 1
    instances.bboxes = torch.tensor(boxes, dtype=torch.float32)
    instances.masks = BitmapMasks(masks, SIDE, SIDE)


def make_crowds(sample: DetDataSample) -> None:
    crowds = sample.gt_instances
    sample.ignored_instances = crowds
    sample.gt_instances = crowds[torch.zeros(len(crowds), dtype=torch.bool)]


def change(samples: list[DetDataSample], case: str) -> None:
    """Makes the instances what the case says; both images have three."""
    if case == "no instances":
        for sample in samples:
            sample.gt_instances = sample.gt_instances[:0]
            sample.ignored_instances = sample.ignored_instances[:0]
    elif case == "one image without":
        samples[0].gt_instances = samples[0].gt_instances[:0]
    elif case == "all crowds":
        for sample in samples:
            make_crowds(sample)
    elif case == "one pixel":
        for sample in samples:
            set_boxes(sample, [[5, 5, 6, 6], [0, 0, 1, 1], [SIDE - 1, SIDE - 1, SIDE, SIDE]])


CASES = [
    *((case, tiny.CLASSES, torch.float32) for case in ("no instances", "one image without")),
    *((case, tiny.CLASSES, torch.float32) for case in ("all crowds", "no positives", "one pixel")),
    *((case, tiny.CLASSES, torch.bfloat16) for case in ("", "no instances", "one pixel")),
    *((case, tiny.CLASSES, torch.float16) for case in ("", "no instances", "one pixel")),
    *(("", classes, torch.float32) for classes in (1, 1203)),
]


@pytest.mark.parametrize(("case", "classes", "dtype"), CASES)
@pytest.mark.parametrize("host", ["mask scoring r-cnn", "yolact"])
def test_losses_and_gradients(
    host: str, case: str, classes: int, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = model(host, classes).train()
    network.zero_grad()
    if case == "no positives":
        no_positives(network, host, monkeypatch)
    images, samples = tiny.inputs(network, True, [(3, SIDE, SIDE)] * 2)
    for sample in samples:
        sample.gt_instances.labels = torch.arange(len(sample.gt_instances)) * 401 % classes
    change(samples, case)
    with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
        losses: dict[str, Any] = network.loss(images, samples)
    total, values = network.parse_losses(losses)
    total.backward()
    assert all(torch.isfinite(value).all() for value in values.values()), values
    gradients = {n: p.grad for n, p in network.named_parameters() if p.grad is not None}
    assert not [name for name, grad in gradients.items() if not torch.isfinite(grad).all()]
    assert any(grad.any() for grad in gradients.values())
    if case in ("no instances", "all crowds", "no positives"):
        assert values["loss_bbox"] == values["loss_mask"] == values["loss_mask_iou"] == 0


def no_positives(network: nn.Module, host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asks for an overlap that no box has; instances are no boxes to learn from either."""
    if host == "yolact":
        monkeypatch.setattr(network.bbox_head.assigner, "pos_iou_thr", 1.1)
        monkeypatch.setattr(network.bbox_head.assigner, "match_low_quality", False)
        monkeypatch.setattr(network.bbox_head.assigner, "min_pos_iou", 1.1)
    else:
        monkeypatch.setattr(network.roi_head.bbox_assigner, "pos_iou_thr", 1.1)
        monkeypatch.setattr(network.roi_head.bbox_assigner, "match_low_quality", False)
        monkeypatch.setattr(network.roi_head.bbox_sampler, "add_gt_as_proposals", False)
