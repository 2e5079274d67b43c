"""The data set whose annotation file is completed."""

import json
from pathlib import Path
from typing import Any

import pytest
from mmdet.datasets import CocoDataset as MmdetCocoDataset
from mmdet.registry import DATASETS
from mmengine.registry import init_default_scope
from torch.utils.data import DataLoader

from msrcnn_mm.coco.annotations import AnnotationFile
from msrcnn_mm.engine.adapters.coco_dataset import CocoDataset
from msrcnn_mm.engine.config.errors import StartedHook, config_mistakes_as_user_errors
from msrcnn_mm.errors import SettingError, UserError
from tests.support.coco_files import annotations, write_data_set

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


def training_set(root: Path, **settings: Any) -> Any:
    init_default_scope("mmdet")
    steps = ["LoadImageFromFile", "LoadAnnotations", "PackDetInputs"]
    return DATASETS.build(
        dict(
            type="CocoDataset",
            ann_file=str(root / "train.json"),
            data_prefix=dict(img=str(root / "train")),
            metainfo=dict(classes=CLASSES),
            pipeline=[dict(type=step) for step in steps],
            **settings,
        )
    )


def loaded(dataset: Any, workers: int = 2, epochs: int = 2) -> list[str]:
    """Returns the names of the images of all epochs, loaded by processes that live as long."""
    loader = DataLoader(
        dataset, 1, num_workers=workers, collate_fn=list, persistent_workers=workers > 0
    )
    batches = [batch for _ in range(epochs) for batch in loader]
    return [Path(item["data_samples"].img_path).name for (item,) in batches]


def test_images_that_cannot_be_loaded_are_skipped_up_to_a_number(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_data_set(tmp_path, CLASSES, 8)
    dataset = training_set(tmp_path, max_unreadable=2)
    (tmp_path / "train" / "2.png").write_bytes(b"damaged")
    (tmp_path / "train" / "5.png").unlink()
    names = loaded(dataset)
    assert len(names) == 16 and not {"2.png", "5.png"} & set(names)
    warnings = capfd.readouterr().err.splitlines()
    assert len(warnings) == 2  # once for each image, whichever process and epoch meets it again
    assert any(" and is skipped, 2 of at most 2 (max_unreadable)" in line for line in warnings)
    assert any("train/2.png cannot be loaded (" in line for line in warnings)
    (tmp_path / "train" / "7.png").unlink()
    message = r"^the image \S+/7\.png cannot be loaded \(.*\), and max_unreadable=2 others .*all$"
    with (
        pytest.raises(UserError, match=message),
        config_mistakes_as_user_errors("config.py", [], StartedHook()),
    ):
        loaded(dataset, epochs=1)


def test_without_unreadable_images_the_setting_changes_nothing(tmp_path: Path) -> None:
    write_data_set(tmp_path, CLASSES, 4)
    one, other = training_set(tmp_path), training_set(tmp_path, max_unreadable=3)
    for plain, skipping in zip(one, other, strict=True):
        assert (plain["inputs"] == skipping["inputs"]).all()
    assert loaded(one, 0) == loaded(other, 0)


def test_only_the_loader_may_fail_and_only_in_a_training(tmp_path: Path) -> None:
    write_data_set(tmp_path, CLASSES, 2)
    (tmp_path / "train" / "1.png").unlink()
    for settings in ({}, dict(max_unreadable=1, test_mode=True)):
        with pytest.raises(FileNotFoundError):
            training_set(tmp_path, **settings)[0]
    dataset = training_set(tmp_path, max_unreadable=1)
    assert Path(dataset[0]["data_samples"].img_path).name == "2.png"
    dataset.pipeline.transforms.append(lambda results: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        dataset[1]
    with pytest.raises(SettingError, match=r"^max_unreadable must be an integer >= 0, not -1$"):
        training_set(tmp_path, max_unreadable=-1)
