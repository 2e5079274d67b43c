"""Checks of a config and its data before a run: each mistake is one line that names it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pycocotools.mask as coco_masks
import pytest
import torch
from mmdet.datasets import CocoDataset
from mmdet.evaluation import CocoMetric
from mmengine.config import Config, ConfigDict
from mmengine.model import PretrainedInit
from mmengine.runner import CheckpointLoader
from PIL import Image

from msrcnn_mm.engine.checks.run import check_run
from msrcnn_mm.errors import UserError
from tests.support.coco_files import SIDE, write_data_set

CLASSES = ("disk", "box", "star")
HEADS = ("bbox_head", "mask_head", "mask_iou_head")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_data_set(tmp_path / "data", CLASSES)


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
            val_dataloader=dict(dataset=data_set("val", [])),
            test_dataloader=dict(dataset=data_set("val", [])),
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


def test_a_good_config_passes_without_a_word(root: Path, capsys: pytest.CaptureFixture) -> None:
    check(make_config(root))
    captured = capsys.readouterr()
    assert captured.out + captured.err == ""


# ---- classes


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
    warnings = capsys.readouterr().err.splitlines()
    assert "1 of 3 categories are none of the classes, so their 2 annotations" in warnings[0]
    assert warnings[0].endswith("left out: box")


def test_training_and_validation_must_have_the_same_classes(root: Path) -> None:
    config = make_config(root)
    config.val_dataloader.dataset.metainfo.classes = ("disk", "box")
    assert "val_dataloader.dataset has the classes ('disk', 'box'), but train" in refusal(config)


def test_categories_of_one_name_or_id(root: Path) -> None:
    edit(root / "train.json", lambda c: c["categories"].append(dict(id=9, name="disk")))
    assert "categories have the name 'disk' more than once" in refusal(make_config(root))


@pytest.mark.parametrize(
    ("key", "value"), [("id", [1]), ("id", None), ("name", ["a"]), ("name", 1)]
)
def test_categories_whose_name_or_id_is_none(root: Path, key: str, value: Any) -> None:
    edit(root / "train.json", lambda c: c["categories"][1].update({key: value}))
    message = refusal(make_config(root))
    assert message.startswith(f"{root}/train.json: category ")
    assert message.endswith(f"has no valid {key}")


def test_an_image_whose_id_is_none(root: Path) -> None:
    edit(root / "train.json", lambda c: c["images"][1].update(id=[1]))
    assert "has no valid id" in refusal(make_config(root))


# ---- kinds of data sets


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


# ---- heads


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


# ---- files


def test_wrappers_are_looked_through(root: Path) -> None:
    config = make_config(root, ("disk", "ball", "star"))
    inner = config.train_dataloader.dataset
    wrapped = dict(type="ConcatDataset", datasets=[inner, inner])
    config.train_dataloader.dataset = dict(type="RepeatDataset", times=2, dataset=wrapped)
    assert "train_dataloader.dataset.dataset.datasets[0]" in refusal(config)


def test_missing_files_are_named(root: Path) -> None:
    (root / "val" / "2.png").unlink()
    assert f"1 of 2 images of {root}/val.json are missing, the first is" in refusal(
        make_config(root)
    )
    (root / "val.json").unlink()
    assert f"no such annotation file: {root}/val.json" in refusal(make_config(root))
    (root / "train").rename(root / "elsewhere")
    assert f"no such folder of images: {root}/train/" in refusal(make_config(root))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"images": [', "is not valid JSON"),
        ("[]", "not in COCO's format"),
        ('{"images": [], "annotations": []}', "not in COCO's format"),
        ('{"images": [], "annotations": [], "categories": []}', "has no categories"),
        ('{"images": [], "annotations": [], "categories": [{"id": 1, "name": "a"}]}', "no images"),
        ('{"images": [], "annotations": [null], "categories": []}', "annotations[0] is None"),
        ("\ufeff{}", "begins with a byte order mark"),
    ],
)
def test_files_that_are_no_coco_annotations(root: Path, text: str, says: str) -> None:
    (root / "train.json").write_text(text)
    assert says in refusal(make_config(root))


@pytest.mark.parametrize("broken", [b"", b"no image"])
def test_a_file_that_is_no_image(root: Path, broken: bytes) -> None:
    (root / "train" / "1.png").write_bytes(broken)
    assert f"the image {root}/train/1.png" in refusal(make_config(root))


def test_an_image_of_another_size_than_annotated(root: Path) -> None:
    Image.new("RGB", (20, 30)).save(root / "train" / "1.png")
    assert f"is 20 x 30 pixels, but {root}/train.json says {SIDE} x {SIDE}" in refusal(
        make_config(root)
    )


def test_a_photograph_that_lies_on_its_side_has_the_size_it_is_shown_in(root: Path) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.new("RGB", (20, 30)).save(root / "train" / "1.jpg", exif=turned)
    upright = dict(file_name="1.jpg", width=30, height=20)
    edit(root / "train.json", lambda c: c["images"][0].update(upright))
    check(make_config(root))


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


# ---- annotations


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
        (dict(id=2), "the annotation id 2 occurs more than once"),
        (dict(segmentation=[["1", "2", "3", "4", "5", "6"]]), "annotation 1: a polygon has coord"),
        (dict(segmentation=[[1, 2, float("nan"), 4, 5, 6]]), "annotation 1: a polygon has coord"),
        (dict(segmentation=[[1, 2, float("inf"), 4, 5, 6]]), "annotation 1: a polygon has coord"),
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


def test_an_rle_cut_off_is_noticed_where_pycocotools_is_silent(root: Path) -> None:
    mask = np.zeros((SIDE, SIDE), np.uint8, order="F")
    mask[10:20, 10:30] = 1
    whole = coco_masks.encode(mask)["counts"].decode()
    rle = dict(size=[SIDE, SIDE], counts=whole)
    edit(root / "train.json", lambda c: c["annotations"][0].update(segmentation=rle))
    check(make_config(root))
    rle["counts"] = whole[:-3]
    coco_masks.decode(rle)  # raises nothing
    edit(root / "train.json", lambda c: c["annotations"][0].update(segmentation=rle))
    assert "annotation 1: its RLE is damaged" in refusal(make_config(root))


# ---- evaluators


def test_an_evaluator_must_judge_by_the_images_of_the_test(root: Path) -> None:
    config = make_config(root)
    other = root / "other.json"
    other.write_text((root / "val.json").read_text())
    edit(other, lambda c: c["images"][0].update(id=50))
    edit(other, lambda c: [a.update(image_id=50) for a in c["annotations"] if a["image_id"] == 1])
    config.test_evaluator = dict(type="CocoMetric", ann_file=str(other), metric="segm")
    message = refusal(config)
    assert f"test_evaluator.ann_file is {other}" in message
    assert "1 of 2" in message
    config.test_evaluator.ann_file = "nowhere.json"
    assert "test_evaluator.ann_file: no such annotation file: nowhere.json" in refusal(config)


@pytest.mark.parametrize("kind", ["CocoMetric", "MaskScoreMetric"])
def test_what_an_evaluator_measures_by_default_counts(root: Path, kind: str) -> None:
    config = make_config(root)
    config.val_evaluator = dict(type=kind, ann_file=f"{root}/val.json")
    check(config)
    edit(root / "val.json", lambda c: c["annotations"][0].pop("iscrowd"))
    with pytest.raises(UserError, match="annotation 1 has no iscrowd"):
        check_run(config, ("val",))


def test_an_unknown_metric(root: Path) -> None:
    config = make_config(root)
    config.test_evaluator = dict(type="CocoMetric", ann_file=f"{root}/val.json", metric="mask")
    assert "test_evaluator: no metric ('mask'); there are ('bbox', 'segm'" in refusal(config)


def test_boundary_iou_is_for_our_metric_to_measure(root: Path) -> None:
    config = make_config(root)
    config.test_evaluator = dict(type="CocoMetric", ann_file=f"{root}/val.json", metric="boundary")
    assert "test_evaluator: no metric ('boundary')" in refusal(config)
    config.test_evaluator.type = "MaskScoreMetric"
    check(config)


def test_the_other_processes_of_a_distributed_run_leave_it_to_the_first(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")
    check(make_config(root, ("nothing",)))
