"""Checks of data sets: classes, kinds, files."""

from pathlib import Path
from typing import Any

import pytest
from mmdet.datasets import CocoDataset
from mmdet.evaluation import CocoMetric

from msrcnn_mm.engine.checks.run import check_run
from msrcnn_mm.errors import UserError
from tests.support.checked_configs import CLASSES, HEADS, check, edit, make_config, refusal


def test_a_good_config_passes_without_a_word(root: Path, capsys: pytest.CaptureFixture) -> None:
    check(make_config(root))
    captured = capsys.readouterr()
    assert captured.out + captured.err == ""


def test_mmdetection_numbers_classes_by_the_file_not_by_the_config(root: Path) -> None:
    """Another order is refused because it would exchange the names of labels."""
    permuted = ("star", "disk", "box")
    data = CocoDataset(
        ann_file=f"{root}/train.json",
        data_prefix=dict(img=f"{root}/train/"),
        metainfo=dict(classes=permuted),
    )
    first = data.get_data_info(0)["instances"][0]  # a disk
    assert permuted[first["bbox_label"]] == "star"
    assert "set classes = ('disk', 'box', 'star')" in refusal(make_config(root, permuted))


def test_a_class_the_file_lacks_is_refused_and_the_likely_one_named(root: Path) -> None:
    message = refusal(make_config(root, ("disk", "boxes", "star")))
    assert "'boxes' (is it 'box'?)" in message
    assert "train.json" in message


@pytest.mark.parametrize(
    ("classes", "says"),
    [
        ("disk", "('disk',), with the comma"),
        (("disk", "box", "disk"), "('disk') more than once"),
        ((), "must be a list of names"),
        ((1, 2, 3), "must be a list of names"),
    ],
)
def test_classes_that_are_no_list_of_different_names(root: Path, classes: Any, says: str) -> None:
    assert says in refusal(make_config(root, classes))


def test_without_classes_cocos_own_are_taken_and_that_is_said(root: Path) -> None:
    config = make_config(root)
    del config.train_dataloader.dataset.metainfo
    for head in HEADS:
        config.model.roi_head[head].num_classes = 80
    message = refusal(config)
    assert "CocoDataset's own 80" in message
    assert "metainfo=dict(classes=('disk', 'box', 'star'))" in message


@pytest.mark.parametrize("key", ["CLASSES", "PALETTE"])
def test_keys_of_mmdetection_2_are_not_passed_over(root: Path, key: str) -> None:
    config = make_config(root)
    config.train_dataloader.dataset.metainfo[key] = CLASSES
    assert key.lower() in refusal(config)


def test_some_of_the_files_categories_may_be_left_out(
    root: Path, capsys: pytest.CaptureFixture
) -> None:
    config = make_config(root, ("disk", "star"))
    for head in HEADS:
        config.model.roi_head[head].num_classes = 2
    check(config)
    warnings = capsys.readouterr().err
    assert "train.json: 2 of 6 objects are left out of training: 2 of categories that" in warnings
    assert "train.json: A TENTH OR MORE OF THE OBJECTS OF 1 CLASS IS LOST TO TRAINING: box 2" in (
        warnings
    )
    assert "val.json: 2 of 6 annotations are not evaluated: their categories are not" in warnings


def test_training_and_validation_must_have_the_same_classes(root: Path) -> None:
    config = make_config(root)
    config.val_dataloader.dataset.metainfo.classes = ("disk", "box")
    assert "val_dataloader.dataset has the classes ('disk', 'box'), but train" in refusal(config)


def test_categories_of_one_name_or_id(root: Path) -> None:
    edit(root / "train.json", lambda c: c["categories"].append(dict(id=9, name="disk")))
    assert (
        "categories have the name 'disk' more than once: remove the one of id 9, which nothing is"
    ) in refusal(make_config(root))


def test_images_need_the_name_of_their_file(root: Path) -> None:
    edit(root / "train.json", lambda c: c["images"][1].update(file_name=None))
    assert "train.json: image 2: file_name is None: give the path" in refusal(make_config(root))


def test_a_test_set_without_annotations(root: Path, capsys: pytest.CaptureFixture) -> None:
    edit(root / "val.json", lambda c: c.pop("annotations"))
    check_run(make_config(root), ("test",))
    assert capsys.readouterr().err == ""


def test_incomplete_annotations_need_our_data_set_and_metric(root: Path) -> None:
    """MMDetection's own classes read the file as it is, and fail in the middle of a run."""
    for split in ("train", "val"):
        edit(root / f"{split}.json", lambda c: [a.pop("area") for a in c["annotations"]])
    config = make_config(root)
    assert "val_evaluator: " in (message := refusal(config))
    assert "area in 6 entries), which CocoMetric does not: write type='MaskScoreMet" in message
    config.val_evaluator.type = config.test_evaluator.type = "MaskScoreMetric"
    check(config)
    config.train_dataloader.dataset.type = CocoDataset
    assert "mmdet.datasets.coco.CocoDataset does not: write type='CocoDataset'" in refusal(config)


@pytest.mark.parametrize("kind", ["CocoPanopticDataset", "ADE20KPanopticDataset", "LVISV1Dataset"])
def test_data_of_another_format_than_cocos_instances_is_left_alone(
    root: Path, capsys: pytest.CaptureFixture, kind: str
) -> None:
    config = make_config(root)
    for split in ("train", "val", "test"):
        config[f"{split}_dataloader"].dataset.update(type=kind, metainfo=dict())
    check_run(config, ("train", "val"))
    assert (
        f"train_dataloader.dataset is a {kind}, and only COCO-format data is checked"
        in capsys.readouterr().err
    )


def test_a_config_of_the_new_style_names_classes_themselves(root: Path) -> None:
    config = make_config(root)
    for split in ("train", "val", "test"):
        config[f"{split}_dataloader"].dataset.type = CocoDataset
    config.val_evaluator.type = config.test_evaluator.type = CocoMetric
    config.default_scope = None  # as MMDetection's own of this style have it
    check(config)
    config.test_evaluator.metric = "mask"
    assert "no metric ('mask')" in refusal(config)
    config.train_dataloader.dataset.metainfo.classes = ("disk", "boxes", "star")
    assert "'boxes' (is it 'box'?)" in refusal(config)


def test_wrappers_are_looked_through(root: Path) -> None:
    config = make_config(root, ("disk", "ball", "star"))
    inner = config.train_dataloader.dataset
    wrapped = dict(type="ConcatDataset", datasets=[inner, inner])
    config.train_dataloader.dataset = dict(type="RepeatDataset", times=2, dataset=wrapped)
    assert "train_dataloader.dataset.dataset.datasets[0]" in refusal(config)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"images": [], "annotations": [], "categories": []}', "has no categories"),
        ('{"images": [], "annotations": [], "categories": [{"id": 1, "name": "a"}]}', "no images"),
    ],
)
def test_files_without_categories_or_images(root: Path, text: str, says: str) -> None:
    (root / "train.json").write_text(text)
    assert says in refusal(make_config(root))


@pytest.mark.parametrize("splits", [("train", "val"), ("test",)])
def test_a_config_without_the_data_loader_of_its_run(root: Path, splits: tuple[str, ...]) -> None:
    config = make_config(root)
    config.pop(f"{splits[0]}_dataloader")
    with pytest.raises(UserError, match=f"the config has no {splits[0]}_dataloader"):
        check_run(config, splits)
