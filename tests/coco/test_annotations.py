"""Tests of reading annotation files."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pycocotools.mask as mask_utils
import pytest
from pycocotools.coco import COCO

from msrcnn_mm.coco.annotations import AnnotationFile, load_annotations
from msrcnn_mm.errors import UserError
from tests.support.coco_scenes import (
    annotation,
    as_coco,
    coco_dict,
    detection,
    evaluate,
    plain_pycocotools,
    random_scene,
    rectangle,
)

BLOBS = rectangle(10, 10, 60, 50) | rectangle(5, 70, 100, 90)


def test_a_complete_file_is_read_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    annotations, _ = random_scene(3, num_images=4)
    content = coco_dict(annotations, 4)
    path = write(tmp_path, content)
    assert load_annotations(path).dataset == content
    assert AnnotationFile.read(path).is_changed is False
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "gt.json is not valid JSON"),
        ("[]", "gt.json is not in COCO's format: images, annotations and categories must"),
        ('{"images": [], "annotations": []}', "absent or not a list: categories"),
        ('{"images": 5, "categories": []}', "absent or not a list: images"),
        ('{"images": [], "annotations": [7], "categories": []}', r"annotations\[0\] is 7: it must"),
        ("\ufeff{}", "gt.json begins with a byte order mark"),
        ("[" * 100_000 + "]" * 100_000, "gt.json nests brackets too deeply"),
        ('{"a":' * 100_000, "gt.json nests brackets too deeply"),
        ('[{"image_id": 1, "score": 0.5}]', "it is a results file, which a command takes before"),
        ('{"images": [], "categories": []}', "gt.json has no annotations, as files of test sets"),
    ],
)
def test_files_that_are_not_coco_annotations(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "gt.json").write_text(text)
    with pytest.raises(UserError, match=message) as caught:
        load_annotations(tmp_path / "gt.json")
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named_with_its_setting(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^no such annotation file: .*none\.json"):
        load_annotations(tmp_path / "none.json")
    with pytest.raises(UserError, match=r"^val_dataloader\.dataset: no such annotation file"):
        AnnotationFile.read(tmp_path / "none.json", "val_dataloader.dataset")


def test_evaluation_needs_no_file_names(tmp_path: Path) -> None:
    content = coco_dict([annotation(1, 10, BLOBS)], 1)
    del content["images"][0]["file_name"]
    assert list(load_annotations(write(tmp_path, content)).anns) == [1]


def test_a_test_set_without_annotations(tmp_path: Path) -> None:
    content = coco_dict([], 2)
    del content["annotations"]
    file = AnnotationFile.read(write(tmp_path, content), "test_dataloader.dataset")
    assert (list(file.images), file.annotations, file.is_annotated) == ([10, 11], [], False)
    assert file.coco().getImgIds() == [10, 11]


@pytest.mark.parametrize("as_rle", [True, False])
def test_fields_that_follow_from_the_mask_are_filled_in(
    tmp_path: Path, capsys: pytest.CaptureFixture, as_rle: bool
) -> None:
    """What pycocotools computes of the mask is the reference."""
    whole = [annotation(1, 10, BLOBS), annotation(2, 11, rectangle(3, 4, 9, 20))]
    if not as_rle:
        for entry, (x1, y1, x2, y2) in zip(whole, [(5, 70, 100, 90), (3, 4, 9, 20)], strict=True):
            mask = rectangle(x1, y1, x2, y2)
            entry |= annotation(entry["id"], entry["image_id"], mask)
            entry["segmentation"] = [[x1, y1, x2, y1, x2, y2, x1, y2]]
    bare = [{k: a[k] for k in ("image_id", "category_id", "segmentation")} for a in whole]
    coco = load_annotations(write(tmp_path, coco_dict(bare, 2)))
    assert [coco.anns[i] for i in (1, 2)] == whole
    err = capsys.readouterr().err
    assert "gt.json: completed from the rest: " in err
    for field in ("id (a number)", "iscrowd (0)", "bbox", "area"):
        assert f"{field} in 2" in err


@pytest.mark.parametrize("box", [None, [], [0, 0, 0, 0], [0.0, 0.0, 0.0, 0.0]])
def test_boxes_of_zeros_are_those_of_the_masks(tmp_path: Path, box: Any) -> None:
    entry = annotation(1, 10, BLOBS)
    coco = load_annotations(write(tmp_path, coco_dict([entry | {"bbox": box}], 1)))
    assert coco.anns[1]["bbox"] == entry["bbox"]


def test_boxes_give_areas_where_no_mask_is_needed(tmp_path: Path) -> None:
    content = coco_dict([dict(id=1, image_id=10, category_id=3, bbox=[1, 2, 30, 4])], 1)
    file = AnnotationFile.read(write(tmp_path, content))
    file.complete(masks=False)
    assert file.annotations[0]["area"] == 120
    with pytest.raises(UserError, match=r"annotation 1 \(in 0\.png\): segmentation is null"):
        file.complete(masks=True)


def test_annotations_of_unlisted_images_and_categories_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """A file of a subset of images or categories often keeps all annotations."""
    others = [dict(image_id=99), dict(image_id=98), dict(category_id=5), dict(category_id=None)]
    entries = [annotation(i, 10, BLOBS) | other for i, other in enumerate([{}, *others], 1)]
    entries[1]["segmentation"] = [[]]  # not read at all
    coco = load_annotations(write(tmp_path, coco_dict(entries, 1)))
    assert list(coco.anns) == [1]
    assert [a["id"] for a in coco.dataset["annotations"]] == [1]
    assert capsys.readouterr().err.splitlines() == [
        f"warning: {tmp_path}/gt.json: 2 annotations of images that the file does not list are "
        "left out: annotation 2 has image_id 99",
        f"warning: {tmp_path}/gt.json: 2 annotations of categories that the file does not list "
        "are left out: annotation 4 has category_id 5",
    ]


def test_a_file_all_of_whose_annotations_are_left_out_is_refused(tmp_path: Path) -> None:
    content = coco_dict([annotation(1, 99, BLOBS)], 1)
    with pytest.raises(UserError, match=r"no annotation is of an image and a category .*99.* 10 "):
        load_annotations(write(tmp_path, content))


def test_an_image_file_listed_twice_is_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    content = coco_dict([annotation(1, 10, BLOBS)], 3)
    content["images"][2]["file_name"] = "0.png"
    load_annotations(write(tmp_path, content))
    assert "1 of 2 image files are listed more than once, 0.png under the ids 10, 12" in (
        capsys.readouterr().err
    )


def test_short_polygons_beside_others_are_left_out_and_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    outline = [5, 70, 100, 70, 100, 90, 5, 90]
    entry = annotation(1, 10, BLOBS) | {"segmentation": [[1, 2, 3, 4], outline, []]}
    coco = load_annotations(write(tmp_path, coco_dict([entry], 1)))
    assert coco.anns[1]["segmentation"] == [outline]
    np.testing.assert_array_equal(coco.annToMask(coco.anns[1]), rectangle(5, 70, 100, 90))
    assert "2 polygons of fewer than three points are left out, in 1 annotations" in (
        capsys.readouterr().err
    )


def test_the_first_of_several_unreadable_annotations_is_named(tmp_path: Path) -> None:
    entries = [annotation(i, 10, BLOBS) | {"segmentation": []} for i in (4, 5, 6)]
    with pytest.raises(UserError, match=r"annotation 4 \(in 0\.png\): .*\(3 annotations cannot"):
        load_annotations(write(tmp_path, coco_dict(entries, 1)))


def test_numbers_with_a_decimal_point(tmp_path: Path) -> None:
    """Some exporters write every number as 96.0; the result is that of integers."""
    content = coco_dict([annotation(1, 10, BLOBS)], 2)
    uncompressed = mask_utils.decode(content["annotations"][0]["segmentation"])
    runs = np.flatnonzero(np.diff(uncompressed.ravel(order="F"), prepend=0, append=0)).tolist()
    content["annotations"][0]["segmentation"] = dict(
        size=[120, 120], counts=np.diff(runs, prepend=0, append=120 * 120).tolist()
    )

    def as_floats(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: as_floats(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [as_floats(inner) for inner in value]
        return float(value) if isinstance(value, int) else value

    coco = load_annotations(write(tmp_path, as_floats(content)))
    np.testing.assert_array_equal(coco.annToMask(coco.anns[1]), BLOBS)
    for entry in (coco.imgs[10], coco.cats[3], coco.anns[1]):
        assert type(entry["id"]) is int
    assert type(coco.imgs[10]["height"]) is int


def test_notes_are_printed_once_where_that_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    entry = annotation(1, 10, BLOBS)
    del entry["iscrowd"]
    path = write(tmp_path, coco_dict([entry], 1))
    for _ in range(2):
        AnnotationFile.read(path).warn_of_notes(again=False)
    assert capsys.readouterr().err.count("iscrowd") == 1
    AnnotationFile.read(path).warn_of_notes()
    assert capsys.readouterr().err.count("iscrowd") == 1


def test_the_index_is_pycocotools_own(tmp_path: Path) -> None:
    annotations, _ = random_scene(5, num_images=4)
    path = write(tmp_path, coco_dict(annotations, 4))
    ours, theirs = load_annotations(path), COCO(str(path))
    assert (ours.imgs, ours.anns, ours.cats) == (theirs.imgs, theirs.anns, theirs.cats)
    assert ours.imgToAnns == theirs.imgToAnns


def write(folder: Path, content: dict[str, Any]) -> Path:
    (folder / "gt.json").write_text(json.dumps(content))
    return folder / "gt.json"


@pytest.mark.parametrize(
    "empty",
    [
        [[10, 10, 40, 10, 70, 10]],
        [[10, 10, 40, 30, 10, 10]],
        [[-30, 10, -5, 10, -5, 40]],
        {"size": [120, 120], "counts": [120 * 120]},
    ],
)
def test_masks_that_cover_no_pixel_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture, empty: Any
) -> None:
    entries = [annotation(1, 10, BLOBS), annotation(2, 10, BLOBS) | {"segmentation": empty}]
    coco = load_annotations(write(tmp_path, coco_dict(entries, 1)))
    assert coco.annToMask(coco.anns[2]).sum() == 0
    err = capsys.readouterr().err
    assert (
        "the masks of 1 annotations cover no pixel, so that no detection can find them: 2;" in err
    )


def test_polygons_in_shares_of_the_image_are_noticed(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    shares = [[0.1, 0.1, 0.9, 0.1, 0.9, 0.8]]
    entry = annotation(1, 10, BLOBS) | {"segmentation": shares}
    load_annotations(write(tmp_path, coco_dict([entry], 1)))
    assert "no polygon reaches beyond 0.9: coordinates are probably shares of the image" in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize("area", [-4800, -0.5])
def test_a_negative_area_is_taken_from_the_mask(tmp_path: Path, area: float) -> None:
    """The shoelace formula gives it for an outline drawn the other way round."""
    entry = annotation(1, 10, BLOBS)
    coco = load_annotations(write(tmp_path, coco_dict([entry | {"area": area}], 1)))
    assert coco.anns[1]["area"] == BLOBS.sum()


def test_the_id_0_is_numbered_anew(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """Pycocotools takes the id 0 for no match: a perfect result misses an object."""
    masks = [rectangle(10, 10, 60, 50), rectangle(5, 70, 100, 90)]
    entries = [annotation(i, 10, mask) for i, mask in enumerate(masks)]
    coco = load_annotations(write(tmp_path, coco_dict(entries, 1)))
    assert sorted(coco.anns) == [1, 2]
    assert "the annotation id 0, which pycocotools takes for no match" in capsys.readouterr().err
    rows = [detection(10, mask, 0.9) for mask in masks]
    assert evaluate(coco, rows).rankings["class_score"].ap["AP"] == pytest.approx(1)
    raw = as_coco(entries, 1)
    assert plain_pycocotools(raw, rows, [0.9, 0.9])[0] < 0.6


def test_one_file_under_two_spellings_is_listed_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    content = coco_dict([annotation(1, 10, BLOBS)], 2)
    content["images"][1]["file_name"] = "./0.png"
    load_annotations(write(tmp_path, content))
    assert "1 of 1 image files are listed more than once, 0.png under the ids 10, 11" in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize("compressed", [False, True])
def test_empty_runs_at_which_pycocotools_errs_are_joined(
    tmp_path: Path, compressed: bool, capsys: pytest.CaptureFixture
) -> None:
    rle: Any = {"size": [120, 120], "counts": [2, 5, 7, 1, 5, 2, 1, 1, 1, 0, 14375]}
    mask = mask_utils.decode(mask_utils.frPyObjects(rle, 120, 120))
    if compressed:
        text = mask_utils.frPyObjects(rle, 120, 120)["counts"].decode()
        rle = {"size": [120, 120], "counts": text}
    entry = {**annotation(1, 10, mask), "segmentation": rle}
    coco = load_annotations(write(tmp_path, coco_dict([entry], 1)))
    assert coco.anns[1] == annotation(1, 10, mask)
    assert "segmentation (empty runs of an RLE joined) in 1" in capsys.readouterr().err
