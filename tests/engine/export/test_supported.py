"""Detectors and pipelines that cannot be exported are refused in one line."""

import re
from typing import Any

import pytest
from mmdet.models.detectors import TwoStageDetector
from mmengine.config import Config

from msrcnn_mm.engine.export.supported import check_supported, resizing_of
from msrcnn_mm.errors import UserError
from msrcnn_mm.models.hosts.mask_heads import FCNMaskHead
from msrcnn_mm.runtime.model_file import Resizing
from tests.support import tiny


def test_supported_detectors_pass_and_others_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    detector = tiny.build(tiny.tiny_config())
    check_supported(detector)
    head, tests = detector.roi_head, detector.test_cfg

    class Other(FCNMaskHead):
        pass

    def refuses(says: str) -> None:
        with pytest.raises(UserError, match=re.escape(says)) as caught:
            check_supported(detector)
        assert "\n" not in str(caught.value)
        monkeypatch.undo()

    monkeypatch.setattr(head.mask_head, "__class__", Other)
    refuses("model.roi_head.mask_head is a Other: export takes FCNMaskHead")
    monkeypatch.setattr(detector, "__class__", TwoStageDetector)
    refuses("model is a TwoStageDetector: export takes MaskRCNN or MaskScoringRCNN")
    monkeypatch.setitem(tests.rcnn.nms, "type", "soft_nms")
    refuses("model.test_cfg.rcnn.nms is {'type': 'soft_nms', 'iou_threshold': 0.5}: export takes")
    monkeypatch.setitem(tests.rpn, "max_per_img", -1)
    refuses("model.test_cfg.rpn.max_per_img must be an integer >= 1 for export")
    monkeypatch.setattr(head.mask_roi_extractor.roi_layers[0], "pool_mode", "max")
    refuses("a roi_layer is no RoIAlign that averages: such a detector cannot be exported")
    check_supported(detector)


def pipeline(*steps: dict[str, Any]) -> Config:
    load, pack = dict(type="LoadImageFromFile"), dict(type="PackDetInputs")
    return Config(dict(test_dataloader=dict(dataset=dict(pipeline=[load, *steps, pack]))))


def test_resizing_of_pipelines() -> None:
    resize = dict(type="mmdet.Resize", scale=(1333, 800), keep_ratio=True)
    assert resizing_of(pipeline(resize)) == Resizing([1333, 800], None, True)
    by_factor = dict(type="mmdet.Resize", scale_factor=1.5)
    assert resizing_of(pipeline(by_factor)) == Resizing(None, [1.5, 1.5], False)
    for steps, says in (
        ([], "has 0 Resize: export takes one"),
        ([resize, resize], "has 2 Resize: export takes one"),
        ([resize, dict(type="mmdet.RandomFlip")], "pipeline has mmdet.RandomFlip: export takes"),
        ([{**resize, "interpolation": "area"}], "must have interpolation='bilinear'"),
        (
            [dict(type="LoadImageFromFile", color_type="grayscale"), resize],
            "color_type='grayscale'",
        ),
    ):
        with pytest.raises(UserError, match=says):
            resizing_of(pipeline(*steps))
