"""Tests of reading and checking annotation files, for evaluation and for MMDetection."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from msrcnn_mm.coco.annotations import AnnotationFile, Needs, load_annotations, read_annotations
from msrcnn_mm.errors import UserError
from tests.support.coco_scenes import SIDE, annotation, coco_dict, encode, rectangle

BLOBS = rectangle(10, 10, 60, 50) | rectangle(5, 70, 100, 90)
CUT_OFF = encode(BLOBS)["counts"][:-7]


@pytest.mark.parametrize(
    ("part", "change", "message"),
    [
        ("images", lambda e: e.pop("height"), "image 10 has no valid height"),
        ("categories", lambda e: e.pop("name"), "category 3 has no valid name"),
        ("annotations", lambda e: e.pop("segmentation"), "annotation 1 has no valid segmentation"),
        ("images", lambda e: e.update(id=11), "the image id 11 occurs more than once"),
        ("annotations", lambda e: e.update(id=2), "the annotation id 2 occurs more than once"),
        ("categories", lambda e: e.update(id=7), "the category id 7 occurs more than once"),
    ],
)
def test_incomplete_annotations_get_one_line(
    tmp_path: Path, part: str, change: Callable[[dict], object], message: str
) -> None:
    content = coco_dict([annotation(1, 10, BLOBS), annotation(2, 10, BLOBS)], 2)
    change(content[part][0])
    with pytest.raises(UserError, match=f"gt.json: {message}"):
        load_annotations(write(tmp_path, content))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(bbox=[1, 2, 3]), "annotation 1 has a bbox that is not four finite numbers"),
        (dict(image_id=99), "annotation 1 has the image_id 99, which is not in the file"),
        (dict(category_id=99), "annotation 1 has the category_id 99, which is not in the file"),
        (dict(segmentation={"counts": 5}), "annotation 1: its segmentation is neither polygons"),
        (dict(segmentation="abc"), "annotation 1: its segmentation is neither polygons"),
        (
            dict(segmentation={"size": [SIDE, SIDE], "counts": CUT_OFF}),
            "annotation 1: its RLE is dam",
        ),
        (
            dict(segmentation={"size": [9, 9], "counts": [81]}),
            r"annotation 1: its RLE is of the size .*\[9, 9\]",
        ),
        (dict(segmentation=[]), r"annotation 1 \(in 0\.png\) has no segmentation"),
        (dict(segmentation=[[]]), "annotation 1: its first polygon has no three points"),
        (dict(segmentation=[[1, 2, 3, 4]]), "annotation 1: its first polygon has no three points"),
        (dict(segmentation=[["a", 2, 3, 4, 5, 6]]), "annotation 1: a polygon has coordinates"),
        (dict(segmentation=None), "annotation 1 has no valid segmentation"),
    ],
)
def test_annotations_that_cannot_be_evaluated_are_refused(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    content = coco_dict([annotation(1, 10, BLOBS) | change], 1)
    with pytest.raises(UserError, match=f"gt.json: {message}"):
        load_annotations(write(tmp_path, content))


def test_polygons_of_images_that_the_file_lacks_are_not_read(tmp_path: Path) -> None:
    """Annotation files of a subset of images often keep all annotations."""
    foreign = annotation(1, 99, BLOBS) | {"segmentation": [[]]}
    assert list(load_annotations(write(tmp_path, coco_dict([foreign], 1))).imgs) == [10]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "gt.json is not valid JSON"),
        ("[]", "gt.json is not in COCO's format: it needs the lists images, annotations and"),
        ('{"images": [], "categories": []}', "gt.json is not in COCO's format"),
        ('{"images": [], "annotations": [7], "categories": []}', r"annotations\[0\] is 7"),
        ("\ufeff{}", "gt.json begins with a byte order mark"),
    ],
)
def test_files_that_are_not_coco_annotations(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "gt.json").write_text(text)
    for read in (load_annotations, read_annotations):
        with pytest.raises(UserError, match=message):
            read(tmp_path / "gt.json")
    with pytest.raises(UserError, match=r"no such annotation file: .*none\.json"):
        load_annotations(tmp_path / "none.json")


def test_evaluation_needs_no_file_names_and_mmdetection_does(tmp_path: Path) -> None:
    content = coco_dict([annotation(1, 10, BLOBS)], 1)
    del content["images"][0]["file_name"]
    path = write(tmp_path, content)
    assert list(load_annotations(path).anns) == [1]
    with pytest.raises(UserError, match="image 10 has no valid file_name"):
        AnnotationFile.read(str(path), "test_dataloader.dataset")


def test_a_test_set_without_annotations_is_read_for_a_run_only(tmp_path: Path) -> None:
    content = coco_dict([], 2)
    del content["annotations"]
    file = AnnotationFile.read(str(write(tmp_path, content)), "test_dataloader.dataset")
    assert (list(file.images), file.annotations) == ([10, 11], [])
    assert file.coco().getImgIds() == [10, 11]


def test_the_error_of_a_missing_file_names_the_config_key(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^val_dataloader\.dataset: no such annotation file"):
        AnnotationFile.read(str(tmp_path / "none.json"), "val_dataloader.dataset")


def test_annotations_are_checked_for_their_use_in_a_run(tmp_path: Path) -> None:
    content = coco_dict([annotation(1, 10, BLOBS)], 1)
    del content["annotations"][0]["segmentation"], content["annotations"][0]["iscrowd"]
    file = AnnotationFile.read(str(write(tmp_path, content)), "train_dataloader.dataset")
    file.check(Needs(masks=False, trained=True, evaluated=False))
    with pytest.raises(UserError, match=r"annotation 1 \(in 0\.png\) has no segmentation"):
        file.check(Needs(masks=True, trained=True, evaluated=False))
    with pytest.raises(UserError, match="annotation 1 has no iscrowd"):
        file.check(Needs(masks=False, trained=False, evaluated=True))


def write(folder: Path, content: dict[str, Any]) -> Path:
    (folder / "gt.json").write_text(json.dumps(content))
    return folder / "gt.json"
