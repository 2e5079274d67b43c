"""Detectors and pipelines that cannot be exported are refused in one line."""

from typing import Any

import pytest
from mmengine.config import Config

from msrcnn_mm.engine.export.supported import check_supported, resizing_of
from msrcnn_mm.errors import UserError
from msrcnn_mm.runtime.model_file import Resizing
from tests.support import tiny


def build(**changes: Any) -> Any:
    config = tiny.tiny_config("mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py")
    for key, value in changes.items():
        config.merge_from_dict({key.replace("__", "."): value})
    return tiny.build(config)


def test_supported_detectors_pass() -> None:
    check_supported(build())
    check_supported(tiny.build(tiny.tiny_config()))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            dict(model__roi_head__bbox_head__type="DoubleConvFCBBoxHead"),
            "model.roi_head.bbox_head is a DoubleConvFCBBoxHead: export takes Shared2FCBBoxHead or",
        ),
        (
            dict(model__roi_head__mask_head__type="CoarseMaskHead"),
            "model.roi_head.mask_head is a CoarseMaskHead: export takes FCNMaskHead",
        ),
        (
            dict(model__test_cfg__rcnn__nms__type="soft_nms"),
            r"model.test_cfg.rcnn.nms is {'type': 'soft_nms', 'iou_threshold': 0.5}: export takes",
        ),
        (
            dict(model__test_cfg__rcnn__max_per_img=-1),
            "model.test_cfg.rcnn.max_per_img must be an integer >= 1",
        ),
        (
            dict(model__roi_head__mask_roi_extractor__roi_layer__pool_mode="max"),
            "a roi_layer is no RoIAlign that averages: such a detector cannot be exported",
        ),
    ],
)
def test_others_are_named(changes: dict[str, Any], says: str) -> None:
    if "DoubleConv" in says:
        changes = {**changes, "model__roi_head__bbox_head__num_convs": 1}
        changes["model__roi_head__bbox_head__num_fcs"] = 1
        changes["model__roi_head__bbox_head__conv_out_channels"] = 16
    with pytest.raises(UserError) as caught:
        check_supported(build(**changes))
    assert str(caught.value).startswith(says)


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
