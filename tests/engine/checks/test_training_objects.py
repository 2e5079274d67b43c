"""Counts of the objects that are left out of training."""

from collections import Counter
from pathlib import Path
from typing import Any

import pycocotools.mask as coco_masks
import pytest
from mmdet.registry import DATASETS
from mmengine.registry import init_default_scope

from tests.support.checked_configs import CLASSES, check, edit, make_config, refusal
from tests.support.coco_files import SIDE


def trained_on(root: Path, pipeline: list[dict], **more: Any) -> Counter[str]:
    """Returns how many objects of each class MMDetection's own pipeline gives to training."""
    init_default_scope("mmdet")
    data = DATASETS.build(
        dict(
            type="CocoDataset",
            ann_file=f"{root}/train.json",
            data_prefix=dict(img=f"{root}/train/"),
            metainfo=dict(classes=CLASSES),
            pipeline=[*pipeline, dict(type="PackDetInputs")],
            **more,
        )
    )
    labels = [data[i]["data_samples"].gt_instances.labels.tolist() for i in range(len(data))]
    return Counter(CLASSES[label] for of_image in labels for label in of_image)


@pytest.mark.parametrize(
    ("change", "poly2mask", "min_size", "says"),
    [
        (dict(iscrowd=1), True, 0, "crowds (iscrowd 1"),
        (dict(ignore=1), True, 0, "marked with ignore"),
        (dict(area=0), True, 0, "without area"),
        (dict(bbox=[3, 3, 0.5, 9]), True, 0, "less than a pixel wide or high"),
        (dict(bbox=[SIDE, 3, 9, 9]), True, 0, "outside their image"),
        (
            dict(segmentation=dict(size=[SIDE, SIDE], counts=[5, 50, SIDE**2 - 55])),
            False,
            0,
            "RLEs, which LoadAnnotations leaves out with poly2mask=False",
        ),
        (dict(), True, SIDE + 1, "in images smaller than filter_cfg.min_size"),
    ],
)
def test_objects_that_mmdetection_leaves_out_are_counted_by_reason(
    root: Path,
    capsys: pytest.CaptureFixture,
    change: dict,
    poly2mask: bool,
    min_size: int,
    says: str,
) -> None:
    """The data set that trains is the reference: what it does not give is what is counted."""
    edit(root / "train.json", lambda c: c["annotations"][0].update(change))  # a disk
    if min_size:  # of the first of two images only
        edit(root / "train.json", lambda c: c["images"][1].update(height=SIDE + 2, width=SIDE + 2))
    config = make_config(root)
    data = config.train_dataloader.dataset
    data.pipeline[1].update(with_bbox=True, poly2mask=poly2mask)
    data.filter_cfg = dict(filter_empty_gt=True, min_size=min_size)
    kept = trained_on(root, data.pipeline, filter_cfg=data.filter_cfg)
    lost = {name: 2 - kept[name] for name in CLASSES if kept[name] < 2}
    if min_size:
        edit(root / "train.json", lambda c: c["images"].pop())
        assert says in refusal(config)
        assert lost == dict.fromkeys(CLASSES, 1)
        return
    assert lost == {"disk": 1}
    check(config)
    warnings = capsys.readouterr().err
    assert f"train.json: 1 of 6 objects are left out of training: 1 {says}" in warnings
    assert "A TENTH OR MORE OF THE OBJECTS OF 1 CLASS IS LOST TO TRAINING: disk 1 of 2" in warnings


def test_few_lost_objects_are_not_said_loudly(root: Path, capsys: pytest.CaptureFixture) -> None:
    def many(content: dict) -> None:
        first = content["annotations"][0]
        content["annotations"] += [first | dict(id=100 + i) for i in range(20)]
        content["annotations"].append(first | dict(id=200, iscrowd=1))

    edit(root / "train.json", many)
    check(make_config(root))
    warnings = capsys.readouterr().err
    assert "1 of 27 objects are left out of training: 1 crowds" in warnings
    assert "TENTH" not in warnings


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (dict(iscrowd=1), "of 6, 6 crowds (iscrowd 1"),
        (dict(area=0), "of 6, 6 without area"),
    ],
)
def test_nothing_is_left_to_train_on(root: Path, change: dict, says: str) -> None:
    edit(root / "train.json", lambda c: [a.update(change) for a in c["annotations"]])
    assert f"train.json: has no annotation to train on: {says}" in refusal(make_config(root))


def test_no_annotation_to_train_on(root: Path) -> None:
    edit(root / "train.json", lambda c: c["annotations"].clear())
    assert refusal(make_config(root)).endswith("train.json: has no annotation to train on")


def test_classes_that_nothing_is_annotated_with(root: Path, capsys: pytest.CaptureFixture) -> None:
    def without_stars(content: dict) -> None:
        content["annotations"] = [a for a in content["annotations"] if a["category_id"] != 3]

    edit(root / "train.json", without_stars)
    check(make_config(root))
    assert "train.json: nothing is annotated with 1 of 3 classes: 'star'" in capsys.readouterr().err


def test_the_root_category_of_an_exporter(root: Path, capsys: pytest.CaptureFixture) -> None:
    """Roboflow's files begin with a category of all others, with which nothing is annotated."""

    def with_root(content: dict) -> None:
        for category in content["categories"]:
            category["supercategory"] = "shapes"
        content["categories"].insert(0, dict(id=0, name="shapes", supercategory="none"))

    for split in ("train", "val"):
        edit(root / f"{split}.json", with_root)
    config = make_config(root, ("shapes", *CLASSES))
    for head in ("bbox_head", "mask_head", "mask_iou_head"):
        config.model.roi_head[head].num_classes = 4
    check(config)
    warnings = capsys.readouterr().err
    assert "train.json: nothing is annotated with 'shapes', the supercategory of others" in warnings
    assert "nothing is annotated with 1 of" not in warnings


def test_masks_are_asked_for_only_where_they_are_used(root: Path) -> None:
    for split in ("train", "val"):
        edit(root / f"{split}.json", lambda c: c["annotations"][0].update(segmentation=[]))
    config = make_config(root)
    config.train_dataloader.dataset.pipeline[1].with_mask = False
    config.model.roi_head.mask_head = None  # one that learns is refused without masks
    config.val_evaluator.metric = config.test_evaluator.metric = "bbox"
    check(config)
    config.test_evaluator.metric = ["bbox", "segm"]
    assert "val.json: annotation 1 (in 1.png): segmentation is []" in refusal(config)


@pytest.mark.parametrize("as_rle", [False, True])
def test_boxes_of_two_corners_are_noticed(
    root: Path, as_rle: bool, capsys: pytest.CaptureFixture
) -> None:
    def to_corners(content: dict) -> None:
        for entry in content["annotations"]:
            if as_rle:
                rles = coco_masks.frPyObjects(entry["segmentation"], SIDE, SIDE)
                entry["segmentation"] = dict(size=[SIDE, SIDE], counts=rles[0]["counts"].decode())
            x, y, width, height = entry["bbox"]
            entry["bbox"] = [x, y, x + width, y + height]

    check(make_config(root))
    assert "bbox" not in capsys.readouterr().err
    edit(root / "train.json", to_corners)
    check(make_config(root))
    assert "train.json: the bbox of 6 of 6 annotations is not their mask's, the first is annot" in (
        capsys.readouterr().err
    )


def test_a_file_read_by_two_data_sets_is_warned_of_once(
    root: Path, capsys: pytest.CaptureFixture
) -> None:
    edit(root / "train.json", lambda c: c["annotations"][0].update(iscrowd=1))
    config = make_config(root)
    data = config.train_dataloader.dataset
    config.train_dataloader.dataset = dict(type="ConcatDataset", datasets=[data, data])
    check(config)
    assert capsys.readouterr().err.count("left out of training") == 1
