"""Checks of annotations that a run reads."""

from pathlib import Path

import pycocotools.mask as coco_masks
import pytest
from mmdet.datasets import CocoDataset

from msrcnn_mm.engine.checks.run import check_run
from tests.support.checked_configs import CLASSES, check, edit, make_config, refusal
from tests.support.coco_files import SIDE


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (dict(image_id=77), "annotation 1 is of the image 77, which is not in the file"),
        (dict(category_id=77), "annotation 1 has the unknown category 77"),
        (dict(bbox=[1, 2, 3]), "annotation 1 has no valid bbox"),
        (dict(bbox=[1, 2, float("nan"), 4]), "annotation 1 has no valid bbox"),
        (dict(bbox=[1, 2, 10**400, 4.0]), "annotation 1 has no valid bbox"),
        (dict(image_id=[1]), "annotation 1 has no valid image_id"),
        (dict(category_id=[1]), "annotation 1 has no valid category_id"),
        (dict(id=[1]), "annotation [1] has no valid id"),
        (dict(id=2), "annotation 2 has an id that occurs more than once"),
        (dict(segmentation=[["1", "2", "3", "4", "5", "6"]]), "annotation 1: a polygon has coord"),
        (dict(segmentation=[[1, 2, float("nan"), 4, 5, 6]]), "annotation 1: a polygon has coord"),
        (dict(segmentation=[[[1, 2], [3, 4], [5, 6]]]), "annotation 1: a polygon has coord"),
        (dict(segmentation=[[1, 2, 10**400, 4, 5, 6]]), "annotation 1: a polygon has coord"),
        (dict(segmentation=[[1, 2, 1e18, 4, 5, 6]]), "annotation 1: a polygon lies far outside"),
        (dict(segmentation=[[1, 2, 3, 4, 5, -1e4]]), "annotation 1: a polygon lies far outside"),
        (dict(segmentation=[]), "annotation 1 (in 1.png) has no segmentation"),
        (dict(segmentation=[1, 2, 3, 4, 5, 6]), "annotation 1: its segmentation is not a list"),
        (dict(segmentation=dict(counts=None)), "is neither polygons nor an RLE"),
        (
            dict(segmentation=dict(size=[9, SIDE], counts=[9 * SIDE])),
            f"of the size (height, width) = [9, {SIDE}], but the image 1.png of [{SIDE}, {SIDE}]",
        ),
        (dict(segmentation=dict(size=[SIDE, SIDE], counts=[5, 6])), "annotation 1: its RLE is dam"),
        (dict(segmentation=dict(size=[SIDE, SIDE], counts="a~")), "annotation 1: its RLE is dam"),
        *(
            (dict(segmentation=dict(size=[SIDE, SIDE], counts=counts)), "annotation 1: its RLE is")
            for counts in (["5", f"{SIDE**2 - 5}"], [[5], SIDE**2 - 5], [5.5, SIDE**2 - 5.5], [])
        ),
    ],
)
def test_annotations_that_end_a_run_or_spoil_it(root: Path, change: dict, says: str) -> None:
    edit(root / "train.json", lambda c: c["annotations"][0].update(change))
    message = refusal(make_config(root))
    assert says in message
    assert "train.json" in message


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


@pytest.mark.parametrize("key", ["image_id", "category_id", "bbox", "area", "id"])
def test_annotations_without_a_field(root: Path, key: str) -> None:
    edit(root / "train.json", lambda c: c["annotations"][0].pop(key))
    assert f"has no {key}" in refusal(make_config(root))


def test_evaluation_needs_iscrowd_and_training_does_not(root: Path) -> None:
    edit(root / "train.json", lambda c: c["annotations"][0].pop("iscrowd"))
    check(make_config(root))
    edit(root / "val.json", lambda c: c["annotations"][0].pop("iscrowd"))
    assert "val.json: annotation 1 has no iscrowd" in refusal(make_config(root))


def test_masks_are_asked_for_only_where_they_are_used(root: Path) -> None:
    for split in ("train", "val"):
        edit(root / f"{split}.json", lambda c: c["annotations"][0].pop("segmentation"))
    config = make_config(root)
    config.train_dataloader.dataset.pipeline[1].with_mask = False
    config.model.roi_head.mask_head = None  # one that learns is refused without masks
    config.val_evaluator.metric = config.test_evaluator.metric = "bbox"
    check(config)
    config.test_evaluator.metric = ["bbox", "segm"]
    assert "val.json: annotation 1 (in 1.png) has no segmentation" in refusal(config)


def test_objects_that_mmdetection_leaves_out_are_counted(
    root: Path, capsys: pytest.CaptureFixture
) -> None:
    def change(content: dict) -> None:
        content["annotations"][0]["bbox"] = [3, 3, 0.5, 9]
        content["annotations"][1]["area"] = 0
        content["annotations"][2]["bbox"] = [SIDE, 3, 9, 9]
        content["annotations"][3]["segmentation"] = [[1, 2, 3, 4]]

    edit(root / "train.json", change)
    config = make_config(root)
    kept = CocoDataset(
        ann_file=f"{root}/train.json",
        data_prefix=dict(img=f"{root}/train/"),
        metainfo=dict(classes=CLASSES),
    )
    assert sum(len(kept.get_data_info(i)["instances"]) for i in range(2)) == 3
    check(config)
    warnings = capsys.readouterr().err
    assert "3 of 6 annotations are left out" in warnings
    assert "1 of 6 annotations are not trained on" in warnings


def test_no_annotation_to_train_on(root: Path) -> None:
    edit(root / "train.json", lambda c: c["annotations"].clear())
    assert "train.json: has no annotation to train on" in refusal(make_config(root))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (dict(iscrowd=1), "of 6, 6 are crowds (iscrowd)"),
        (dict(area=0), "6 lie outside their image or are less than a pixel"),
        (dict(segmentation=[[1, 2, 3, 4]]), "6 have no polygon of three points"),
    ],
)
def test_annotations_of_which_none_is_trained_on(root: Path, change: dict, says: str) -> None:
    edit(root / "train.json", lambda c: [a.update(change) for a in c["annotations"]])
    message = refusal(make_config(root))
    assert "train.json: has no annotation to train on: " in message
    assert says in message


def test_crowds_alone_may_be_evaluated(root: Path) -> None:
    edit(root / "val.json", lambda c: [a.update(iscrowd=1) for a in c["annotations"]])
    check(make_config(root))


@pytest.mark.parametrize("polygon", [[], [1, 2], [1, 2, 3, 4]])
def test_a_first_polygon_at_which_pycocotools_ends_an_evaluation(root: Path, polygon: list) -> None:
    with pytest.raises(Exception, match=r"not supported|incorrect type"):
        coco_masks.frPyObjects([polygon, [1, 2, 30, 4, 5, 60]], SIDE, SIDE)
    edit(root / "val.json", lambda c: c["annotations"][0]["segmentation"].insert(0, polygon))
    assert "val.json: annotation 1: its first polygon has no three" in refusal(make_config(root))


def test_images_without_annotations_are_normal(root: Path, capsys: pytest.CaptureFixture) -> None:
    edit(
        root / "train.json",
        lambda c: c.update(annotations=[a for a in c["annotations"] if a["image_id"] == 1]),
    )
    check(make_config(root))
    assert capsys.readouterr().err == ""


def test_a_test_set_whose_annotations_nobody_has(root: Path) -> None:
    edit(root / "val.json", lambda c: c.pop("annotations"))
    check_run(make_config(root), ("test",))
