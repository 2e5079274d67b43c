"""A config of a small data set, and calls of the checks before a run."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config

from msrcnn_mm.engine.checks.run import check_run
from msrcnn_mm.errors import UserError

CLASSES = ("disk", "box", "star")
HEADS = ("bbox_head", "mask_head", "mask_iou_head")


def make_config(root: Path, classes: Any = CLASSES) -> Config:
    def data_set(split: str, pipeline: list) -> dict:
        return dict(
            type="CocoDataset",
            data_root=f"{root}/",
            ann_file=f"{split}.json",
            data_prefix=dict(img=f"{split}/"),
            metainfo=dict(classes=classes),
            pipeline=pipeline,
        )

    evaluator = dict(type="CocoMetric", ann_file=f"{root}/val.json", metric=["bbox", "segm"])
    load = [dict(type="LoadImageFromFile"), dict(type="LoadAnnotations", with_mask=True)]
    head = dict(num_classes=len(CLASSES))
    return Config(
        dict(
            model=dict(
                type="MaskScoringRCNN",
                rpn_head=dict(type="RPNHead", num_classes=1),
                roi_head=dict(
                    type="MaskScoringRoIHead",
                    bbox_head=dict(type="Shared2FCBBoxHead", **head),
                    mask_head=dict(type="FCNMaskHead", **head),
                    mask_iou_head=dict(type="MaskIoUHead", **head),
                ),
            ),
            train_dataloader=dict(dataset=data_set("train", load)),
            val_dataloader=dict(dataset=data_set("val", load)),
            test_dataloader=dict(dataset=data_set("val", load)),
            val_evaluator=evaluator,
            test_evaluator=evaluator,
        )
    )


def check(config: Config) -> None:
    check_run(config, ("train", "val"))
    check_run(config, ("test",))


def refusal(config: Config) -> str:
    with pytest.raises(UserError) as caught:
        check(config)
    message = str(caught.value)
    assert "\n" not in message
    return message


def edit(file: Path, change: Callable[[dict], Any]) -> None:
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))
