"""The data set whose annotation file is completed."""

import json
from pathlib import Path
from typing import Any

import pytest
from mmdet.datasets import CocoDataset as MmdetCocoDataset
from mmdet.registry import DATASETS
from mmengine.registry import init_default_scope

from msrcnn_mm.coco.annotations import AnnotationFile
from msrcnn_mm.engine.adapters.coco_dataset import CocoDataset
from tests.support.coco_files import annotations

CLASSES = ("disk", "box")


def entries(path: Path, cls: Any = "CocoDataset") -> list[dict[str, Any]]:
    init_default_scope("mmdet")
    data = DATASETS.build(
        dict(
            type=cls,
            ann_file=str(path),
            data_prefix=dict(img=""),
            metainfo=dict(classes=CLASSES),
            test_mode=True,
        )
    )
    return [data.get_data_info(i) for i in range(len(data))]


def test_it_replaces_mmdetections_class() -> None:
    assert DATASETS.get("mmdet.CocoDataset") is CocoDataset


def test_a_complete_file_gives_the_same_data_set(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(annotations(CLASSES, 3)))
    assert entries(path) == entries(path, MmdetCocoDataset)
    assert "warning" not in capsys.readouterr().err


def test_an_incomplete_file_gives_the_data_set_of_the_completed_one(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """Real exports lack fields; MMDetection's own class reads the file with them filled in."""
    content = annotations(CLASSES, 3)
    for entry in content["annotations"]:
        for key in ("id", "area", "bbox", "iscrowd"):
            del entry[key]
    content["annotations"][0]["segmentation"] = content["annotations"][0]["segmentation"][0]
    content["annotations"][1]["image_id"] = 99
    content["images"][0]["height"] = float(content["images"][0]["height"])
    raw, completed = tmp_path / "raw.json", tmp_path / "completed.json"
    raw.write_text(json.dumps(content))
    file = AnnotationFile.read(raw)
    file.complete(masks=True)
    completed.write_text(json.dumps(file.coco().dataset))
    expected = entries(completed, MmdetCocoDataset)
    assert entries(raw) == expected
    assert sum(len(entry["instances"]) for entry in expected) == 5
    assert capsys.readouterr().err.count("iscrowd (0) in 5") == 1
    entries(raw)
    assert "iscrowd" not in capsys.readouterr().err
