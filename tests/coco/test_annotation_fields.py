"""Tests of the fields of images, categories and annotations."""

from collections.abc import Callable
from typing import Any

import pytest

from msrcnn_mm.coco.annotations import AnnotationFile
from msrcnn_mm.errors import UserError
from tests.support.coco_scenes import annotation, coco_dict, rectangle

BLOB = rectangle(10, 10, 60, 50)


def content() -> dict[str, Any]:
    return coco_dict([annotation(i, 10 + i // 2, BLOB) for i in (1, 2, 3)], 2)


def read(change: Callable[[dict[str, Any]], Any]) -> AnnotationFile:
    changed = content()
    change(changed)
    return AnnotationFile("gt.json", changed)


@pytest.mark.parametrize(
    ("part", "change", "message"),
    [
        ("images", dict(height=None), "image 10 (0.png): height is None: give"),
        ("images", dict(width="9"), "image 10 (0.png): width is '9': give"),
        ("images", dict(width=0), "image 10 (0.png): width is 0: give"),
        ("images", dict(width=9.5), "image 10 (0.png): width is 9.5: give"),
        ("images", dict(id=None), "images[0] (0.png): id is None: give"),
        ("images", dict(id=[1]), "images[0] (0.png): id is [1]: give"),
        ("images", dict(id=True), "images[0] (0.png): id is True: give"),
        ("images", dict(id=11), "the image id 11 occurs more than once"),
        ("images", dict(id="10"), "some image ids are numbers and some are text, as 11 and '10'"),
        ("categories", dict(name=None), "category 3: name is None: give text"),
        ("categories", dict(name=[]), "category 3: name is []: give text"),
        ("categories", dict(id=None), "categories[0] (ring): id is None: give"),
        ("categories", dict(id=7), "the category id 7 occurs more than once"),
        ("categories", dict(id="7"), "some category ids are numbers and some are text"),
        ("annotations", dict(id=[1]), "annotation number 0: id is [1]: give an integer"),
        ("annotations", dict(id=1.5), "annotation number 0: id is 1.5: give an integer"),
        ("annotations", dict(id=True), "annotation number 0: id is True: give an integer"),
        ("annotations", dict(id=float("inf")), "annotation number 0: id is inf: give an integer"),
        ("images", dict(height=10**30), "image 10 (0.png) has more than 2^32 pixels"),
        ("annotations", dict(id=2), "the annotation id 2 occurs more than once"),
        ("annotations", dict(image_id=[1]), "annotation 1: image_id is [1]: give the id of its"),
        ("annotations", dict(image_id=1.5), "annotation 1: image_id is 1.5: give the id of its"),
        ("annotations", dict(category_id={}), "annotation 1: category_id is {}: give the id"),
        ("annotations", dict(iscrowd="0"), "annotation 1: iscrowd is '0': give 0, or 1"),
        ("annotations", dict(iscrowd=2), "annotation 1: iscrowd is 2: give 0, or 1"),
        ("annotations", dict(iscrowd=[]), "annotation 1: iscrowd is []: give 0, or 1"),
    ],
)
def test_fields_that_cannot_be_read_get_one_line(
    part: str, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError) as caught:
        read(lambda c: c[part][0].update(change))
    assert str(caught.value).startswith(f"gt.json: {message}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("part", ["images", "categories"])
def test_absent_ids_are_refused(part: str) -> None:
    with pytest.raises(UserError, match="id is None"):
        read(lambda c: c[part][0].pop("id"))


def test_text_ids_are_ids() -> None:
    def to_text(c: dict[str, Any]) -> None:
        for image in c["images"]:
            image["id"] = f"i{image['id']}"
        for entry in c["annotations"]:
            entry["image_id"] = f"i{entry['image_id']}"

    file = read(to_text)
    assert [a["image_id"] for a in file.annotations] == ["i10", "i11", "i11"]
    assert file.is_changed is False


@pytest.mark.parametrize("ids", [[None, 2, 3], ["a", 2, 3], ["a", "b", "c"], ["1", None, 1]])
def test_annotation_ids_that_are_absent_or_text_are_numbered(ids: list[Any]) -> None:
    def change(c: dict[str, Any]) -> None:
        for entry, identity in zip(c["annotations"], ids, strict=True):
            entry["id"] = identity

    file = read(change)
    numbers = [a["id"] for a in file.annotations]
    assert len(set(numbers)) == 3
    assert all(type(number) is int and number > 0 for number in numbers)
    assert [n for n, i in zip(numbers, ids, strict=True) if isinstance(i, int)] == [
        i for i in ids if isinstance(i, int)
    ]
    given = sum(not isinstance(i, int) for i in ids)
    assert file.notes == [f"completed from the rest: id (a number) in {given} entries"]


@pytest.mark.parametrize(
    ("given", "read_as"), [(0, 0), (1, 1), (False, 0), (True, 1), (1.0, 1), (None, 0)]
)
def test_iscrowd(given: Any, read_as: int) -> None:
    file = read(lambda c: c["annotations"][0].update(iscrowd=given))
    assert file.annotations[0]["iscrowd"] == read_as
    assert bool(file.notes) == (given is None)


def test_an_entry_that_is_repeated_is_to_be_removed() -> None:
    with pytest.raises(UserError, match="image id 10 occurs more than once: remove all but one"):
        read(lambda c: c["images"].append(dict(c["images"][0])))


def test_numbers_as_names_become_text() -> None:
    file = read(lambda c: c["categories"][0].update(name=5))
    assert file.categories[0]["name"] == "5"
    assert file.is_changed


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c["images"][0].update(height=120.0),
        lambda c: c["annotations"][0].update(image_id=10.0),
        lambda c: c["annotations"][0]["segmentation"].update(size=[120.0, 120.0]),
    ],
)
def test_numbers_with_a_decimal_point_count_as_completed(change: Callable[[dict], Any]) -> None:
    """Another reader of the file would stumble on them."""
    file = read(change)
    file.complete(masks=True)
    assert file.is_changed
    assert "as integers) in 1 entries" in file.notes[0]


def test_null_is_no_id_even_where_an_id_is_the_text_none() -> None:
    def change(c: dict[str, Any]) -> None:
        c["categories"] = [{"id": "None", "name": "a"}, {"id": "b", "name": "b"}]
        for entry, category in zip(c["annotations"], (None, "None", "b"), strict=True):
            entry["category_id"] = category

    file = read(change)
    assert [a["category_id"] for a in file.annotations] == ["None", "b"]
    assert "annotation 1 has category_id None" in file.notes[0]


@pytest.mark.parametrize("identity", ["x18", None])
def test_messages_name_annotations_as_the_file_does(identity: str | None) -> None:
    file = read(lambda c: c["annotations"][1].update(id=identity, segmentation=[]))
    with pytest.raises(UserError, match=rf"annotation {identity or 'number 1'} \(in 1\.png\)"):
        file.complete(masks=True)


def test_file_names_of_another_type_are_no_traceback() -> None:
    assert read(lambda c: c["images"][0].update(file_name=["a"])).notes == []


def test_ids_that_refer_to_numbers_as_text() -> None:
    """VIA 2.0.8 writes the ids of images as numbers and refers to them as text."""

    def change(c: dict[str, Any]) -> None:
        for entry in c["annotations"]:
            entry["image_id"] = str(entry["image_id"])

    file = read(change)
    assert [a["image_id"] for a in file.annotations] == [10, 11, 11]
    assert file.notes == [
        "completed from the rest: image_id (text for a number, or the reverse) in 3 entries"
    ]
    assert len(file.coco().imgToAnns[11]) == 2
