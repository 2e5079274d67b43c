"""Checks of a model: numbers of classes, thresholds, files of weights."""

from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.model import PretrainedInit
from mmengine.runner import CheckpointLoader

from msrcnn_mm.engine.checks.model import check_heads, check_masks
from msrcnn_mm.errors import UserError
from tests.support.checked_configs import HEADS, check, make_config, refusal


@pytest.mark.parametrize("head", HEADS)
def test_every_head_must_have_the_number_of_classes(root: Path, head: str) -> None:
    config = make_config(root)
    config.model.roi_head[head].num_classes = 80
    message = refusal(config)
    assert f"model.roi_head.{head}.num_classes=80" in message
    assert "3 classes" in message
    assert not any(other in message for other in HEADS if other != head)


def test_the_default_of_a_head_counts(root: Path) -> None:
    config = make_config(root)
    del config.model.roi_head.mask_iou_head.num_classes
    del config.model.roi_head.bbox_head.num_classes
    message = refusal(config)
    assert "mask_iou_head.num_classes=80" in message
    assert "bbox_head.num_classes=80" in message


def test_heads_in_lists_as_a_cascade_has_them(root: Path) -> None:
    config = make_config(root)
    head = config.model.roi_head.bbox_head
    config.model.roi_head.bbox_head = [head, ConfigDict(head, num_classes=4)]
    assert "model.roi_head.bbox_head[1].num_classes=4, but" in refusal(config)


def test_class_agnostic_masks_have_no_classes_to_count(root: Path) -> None:
    config = make_config(root)
    for head in ("mask_head", "mask_iou_head"):
        config.model.roi_head[head].update(class_agnostic=True, num_classes=1)
    check(config)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1.0, True, "abc", None])
def test_a_threshold_that_no_score_exceeds(root: Path, value: Any) -> None:
    config = make_config(root)
    config.model.test_cfg = dict(rcnn=dict(score_thr=value))
    says = f"model.test_cfg.rcnn.score_thr must be a number below 1, not {value!r}"
    assert refusal(config) == says


def test_pretrained_weights_that_are_not_there(root: Path) -> None:
    config = make_config(root)
    config.model.backbone = dict(init_cfg=dict(type="Pretrained", checkpoint="r50.pth"))
    assert "model.backbone.init_cfg.checkpoint: no such file: r50.pth" in refusal(config)
    config.model.backbone.init_cfg.type = PretrainedInit
    assert "model.backbone.init_cfg.checkpoint: no such file: r50.pth" in refusal(config)


def test_pretrained_weights_at_home(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(root))
    torch.save(dict(state_dict=dict()), root / "r50.pth")
    config = make_config(root)
    config.model.backbone = dict(init_cfg=dict(type="Pretrained", checkpoint="~/r50.pth"))
    check(config)
    assert CheckpointLoader.load_checkpoint("~/r50.pth") == dict(state_dict=dict())


@pytest.mark.parametrize("head", ["RetinaHead", "FCOSHead", "DETRHead", "RTMDetSepBNHead"])
def test_a_detector_of_boxes_alone(head: str) -> None:
    with pytest.raises(UserError, match=f"predicts no masks, its bbox_head is {head}: take an"):
        check_masks(dict(bbox_head=dict(type=head)))


@pytest.mark.parametrize(
    "model",
    [
        dict(bbox_head=dict(type="RTMDetInsSepBNHead")),
        dict(bbox_head=dict(type="YOLACTHead"), mask_head=dict(type="YOLACTProtonet")),
        dict(panoptic_head=dict(type="MaskFormerHead")),
        dict(bbox_head=dict(type="HeadOfAnotherPackage")),
    ],
)
def test_detectors_that_may_have_masks(model: dict) -> None:
    check_masks(model)


def test_the_scorer_of_a_hosts_own_detections_is_named_too() -> None:
    scorer = dict(type="TPShareHead", num_classes=2)
    model = dict(roi_head=dict(type="DetectionScoringRoIHead", scorer=scorer))
    with pytest.raises(UserError, match=r"^model.roi_head.scorer.num_classes=2, but the data set"):
        check_heads(model, ["ring"])
