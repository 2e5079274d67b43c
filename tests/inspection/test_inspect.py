"""Data sets of files that are wrong in one way each, and what is found in them."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from msrcnn_mm.coco.annotations import load_annotations
from msrcnn_mm.coco.json_files import write_json
from msrcnn_mm.errors import UserError
from msrcnn_mm.inspection.cleaned import clean
from msrcnn_mm.inspection.finding import KINDS
from msrcnn_mm.inspection.inspect import DataSet, inspect_data
from tests.support.processes import ROOT

WIDTH, HEIGHT = 60, 40
CLASSES = ["disk", "box"]
SQUARE = [[10, 10, 30, 10, 30, 30, 10, 30]]


def scene(seed: int) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 9, 3), np.uint8)
    return Image.fromarray(coarse).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)


def content(names: list[str]) -> dict[str, Any]:
    """A square of each class in each image; ids from 1, of annotations 1, 2 in the first image."""
    images = [
        dict(id=i, file_name=name, width=WIDTH, height=HEIGHT) for i, name in enumerate(names, 1)
    ]
    annotations = [
        dict(
            id=2 * image["id"] + c - 2,
            image_id=image["id"],
            category_id=c,
            bbox=[10, 10, 20, 20],
            area=400,
            iscrowd=0,
            segmentation=SQUARE,
        )
        for image in images
        for c in (1, 2)
    ]
    categories = [dict(id=c, name=name) for c, name in enumerate(CLASSES, 1)]
    return dict(images=images, categories=categories, annotations=annotations)


def write(root: Path, split: str, seeds: range) -> dict[str, Any]:
    (root / split).mkdir()
    names = [f"{split}{seed}.png" for seed in seeds]
    for seed, name in zip(seeds, names, strict=True):
        scene(seed).save(root / split / name)
    return content(names)


def inspect(root: Path, *parts: tuple[str, dict[str, Any]]) -> Any:
    for name, data in parts:
        (root / f"{name}.json").write_text(json.dumps(data))
    found = inspect_data([DataSet(root / f"{name}.json", root / name) for name, _ in parts])
    return found if len(found) > 1 else found[0]


def kinds(inspected: Any) -> list[str]:
    return [finding.kind for finding in inspected.findings]


def test_a_sound_data_set_has_no_findings(tmp_path: Path) -> None:
    found = inspect(tmp_path, ("train", write(tmp_path, "train", range(3))))
    assert found.findings == [] and len(found.thumbnails) == 3
    assert clean(found).content == json.loads((tmp_path / "train.json").read_text())


def save_cmyk(path: Path) -> None:
    scene(0).convert("CMYK").save(path, "jpeg")


def save_turned(path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    scene(0).rotate(90, expand=True).save(path, "jpeg", exif=exif)  # upright: 60 x 40


def save_turned_and_annotated_as_stored(path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    scene(0).save(path, "jpeg", exif=exif)


def save_truncated(path: Path) -> None:
    scene(0).save(path, "jpeg", quality=95)
    path.write_bytes(path.read_bytes()[:-400])


def save_truncated_png(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def save_pages(path: Path) -> None:
    scene(0).save(path, "tiff", save_all=True, append_images=[scene(1)])


def save_too_large(path: Path) -> None:
    Image.new("1", (20_000, 10_000)).save(path, "png")


SAVED: list[tuple[Callable[[Path], Any], list[tuple[str, str]]]] = [
    (save_cmyk, [("other mode", "train0.png: JPEG of mode CMYK (CMYK;I)")]),
    (save_turned, [("EXIF rotation", "train0.png: orientation 6, annotated upright")]),
    (
        save_turned_and_annotated_as_stored,
        [("EXIF rotation", "annotated as stored: load it with color_type='color_ignore_orient")],
    ),
    (save_truncated, [("unreadable image", "train0.png: image file is truncated")]),
    (save_truncated_png, [("unreadable image", "train0.png: ")]),
    (lambda path: path.write_bytes(b""), [("unreadable image", "(0 bytes)")]),
    (lambda path: path.write_text("<html>"), [("unopened image", "(6 bytes)")]),
    (save_too_large, [("unopened image", "exceeds limit")]),
    (Path.unlink, [("missing image", "train0.png")]),
    (save_pages, [("several pages", "train0.png")]),
    (
        lambda path: scene(0).resize((50, 40)).save(path),
        [("other size", "train0.png: is 50 x 40, annotated as 60 x 40")],
    ),
    (
        lambda path: Image.fromarray(np.full((HEIGHT, WIDTH), 4000, np.uint16)).save(path),
        [("other mode", "train0.png: PNG of mode I;16")],
    ),
]


@pytest.mark.parametrize(("save", "expected"), SAVED)
def test_image_files(save: Any, expected: list[tuple[str, str]], tmp_path: Path) -> None:
    data = write(tmp_path, "train", range(2))
    save(tmp_path / "train" / "train0.png")
    found = inspect(tmp_path, ("train", data))
    assert kinds(found) == [kind for kind, _ in expected]
    for finding, (kind, text) in zip(found.findings, expected, strict=True):
        assert (finding.kind, finding.image) == (kind, 0) and text in finding.text
    removed = kinds(found)[0] in ("unreadable image", "missing image", "other size")
    copy = clean(found)
    assert len(copy.content["images"]) == (1 if removed else 2)
    assert {a["image_id"] for a in copy.content["annotations"]} == ({2} if removed else {1, 2})
    assert (len(copy.fixed), copy.left.total()) == ((1, 0) if removed else (0, 1))


def test_a_name_in_another_form_of_unicode_is_said(tmp_path: Path) -> None:
    data = write(tmp_path, "train", range(1))
    (tmp_path / "train" / "train0.png").rename(tmp_path / "train" / "u\u0308.png")
    data["images"][0]["file_name"] = "\u00fc.png"
    found = inspect(tmp_path, ("train", data))
    assert kinds(found) == ["missing image"] and "Unicode's form NFD" in found.findings[0].text


def test_every_kind_is_documented() -> None:
    page = (ROOT / "docs" / "check.md").read_text()
    for name, kind in KINDS.items():
        assert f"| {name} | {kind.meaning} | {kind.fix or '-'} |" in page


def test_images_outside_the_folder_are_not_opened(tmp_path: Path) -> None:
    data = write(tmp_path, "train", range(1))
    shutil.copy(tmp_path / "train" / "train0.png", tmp_path / "secret.png")
    data["images"][0]["file_name"] = "../secret.png"
    found = inspect(tmp_path, ("train", data))
    assert kinds(found) == ["image outside the folder"] and not found.thumbnails


ENTRIES: list[tuple[Callable[[dict[str, Any]], Any], list[str], list[int], list[int]]] = [
    # change, kinds, then ids of images and annotations in the cleaned copy
    (lambda c: c["annotations"][0].update(segmentation=[]), ["malformed mask"], [1, 2], [2, 3, 4]),
    (
        lambda c: c["annotations"][0].update(segmentation=[[1, 2, float("nan"), 4, 5, 6]]),
        ["malformed mask"],
        [1, 2],
        [2, 3, 4],
    ),
    (
        lambda c: c["annotations"][0].update(segmentation=dict(size=[40, 60], counts=[3, 4])),
        ["malformed mask"],
        [1, 2],
        [2, 3, 4],
    ),
    (
        lambda c: c["annotations"][0].update(
            segmentation=[[10, 10, 30, 30, 30, 10, 10, 30], *SQUARE]
        ),
        ["self-crossing polygon"],
        [1, 2],
        [1, 2, 3, 4],
    ),
    (
        lambda c: c["annotations"][0].update(
            segmentation=[[-5, 10, 30, 10, 30, 30, -5, 30]], bbox=[0, 10, 30, 20]
        ),
        ["polygon out of the image"],
        [1, 2],
        [1, 2, 3, 4],
    ),
    (
        lambda c: c["annotations"][0].update(
            segmentation=[[70, 10, 90, 10, 90, 30]], bbox=[70, 10, 20, 20]
        ),
        ["empty mask"],
        [1, 2],
        [2, 3, 4],
    ),
    (
        lambda c: c["annotations"][0].update(bbox=[10, 10, 30, 30]),
        ["box of another mask"],
        [1, 2],
        [1, 2, 3, 4],
    ),
    (lambda c: c["annotations"][0].update(bbox="x"), ["unreadable entry"], [1, 2], [2, 3, 4]),
    (lambda c: c["annotations"][1].update(id=1), ["doubled id"], [1, 2], [1, 3, 4, 5]),
    (lambda c: c["annotations"][1].pop("id"), ["incomplete entry"], [1, 2], [1, 3, 4, 5]),
    (lambda c: c["annotations"][1].update(id=1.5), ["unreadable entry"], [1, 2], [1, 3, 4]),
    (lambda c: c["annotations"][0].update(image_id=9), ["unknown id"], [1, 2], [2, 3, 4]),
    (lambda c: c["annotations"][0].update(category_id=[]), ["unknown id"], [1, 2], [2, 3, 4]),
    (lambda c: c["annotations"][0].pop("image_id"), ["unknown id"], [1, 2], [2, 3, 4]),
    (lambda c: c["annotations"][0].update(iscrowd=1), ["crowd"], [1, 2], [1, 2, 3, 4]),
    (lambda c: c["annotations"][0].update(iscrowd=7), ["unreadable entry"], [1, 2], [2, 3, 4]),
    (lambda c: c["annotations"][0].pop("area"), ["incomplete entry"], [1, 2], [1, 2, 3, 4]),
    (
        lambda c: c["images"].append(c["images"][0]),
        ["doubled id"],
        [1, 2],
        [1, 2, 3, 4],
    ),
    (
        lambda c: c["images"][1].update(id=1),
        ["doubled id"] * 2 + ["unknown id"] * 4 + ["unused class"] * 2,
        [],
        [],
    ),
    (
        lambda c: c["images"][1].update(width=None),
        ["unreadable entry"] + ["unknown id"] * 2,
        [1],
        [1, 2],
    ),
    (
        lambda c: c["images"][1].update(id="b"),
        ["unreadable entry"] + ["unknown id"] * 2,
        [1],
        [1, 2],
    ),
    (lambda c: c["images"][1].pop("file_name"), ["unreadable entry"], [1], [1, 2]),
    (
        lambda c: c["images"][1].update(file_name="./train0.png"),
        ["image listed twice"],
        [1, 2],
        [1, 2, 3, 4],
    ),
    (
        lambda c: c["categories"].append(dict(id=5, name="star")),
        ["unused class"],
        [1, 2],
        [1, 2, 3, 4],
    ),
    (
        lambda c: c["categories"][1].update(name=None),
        ["unreadable entry"] + ["unknown id"] * 2,
        [1, 2],
        [1, 3],
    ),
]


@pytest.mark.parametrize(("change", "expected", "images", "annotations"), ENTRIES)
def test_entries(
    change: Any, expected: list[str], images: list[int], annotations: list[int], tmp_path: Path
) -> None:
    data = write(tmp_path, "train", range(2))
    change(data)
    found = inspect(tmp_path, ("train", data))
    assert kinds(found) == expected
    copy = clean(found)
    assert sorted(image["id"] for image in copy.content["images"]) == images
    assert sorted(a["id"] for a in copy.content["annotations"]) == annotations
    # the copy is read without a warning of these, and finding it again changes nothing more
    write_json(copy.content, tmp_path / "copy.json")
    assert len(load_annotations(tmp_path / "copy.json").anns) == len(annotations)
    (again,) = inspect_data([DataSet(tmp_path / "copy.json", tmp_path / "train")])
    assert clean(again).fixed == []


def test_a_box_is_replaced_by_that_of_the_mask(tmp_path: Path) -> None:
    data = write(tmp_path, "train", range(1))
    data["annotations"][0]["bbox"] = [10, 10, 30, 30]  # two corners
    found = inspect(tmp_path, ("train", data))
    assert "bbox is [10, 10, 30, 30], the box around the mask [10.0, 10.0, 20.0" in (
        found.findings[0].text
    )
    assert clean(found).content["annotations"][0]["bbox"] == [10, 10, 20, 20]
    assert (
        data["annotations"][0]
        == json.loads((tmp_path / "train.json").read_text())["annotations"][0]
    )


def test_a_box_of_the_part_in_the_image_is_none_of_another_mask(tmp_path: Path) -> None:
    data = write(tmp_path, "train", range(1))
    width, height = (data["images"][0][side] for side in ("width", "height"))
    outline = [-50, -50, 5 * width, -50, 5 * width, 5 * height, -50, 5 * height]
    data["annotations"][0].update(segmentation=[outline], bbox=[0, 0, width, height])
    assert "box of another mask" not in kinds(inspect(tmp_path, ("train", data)))


def test_several_files_are_compared(tmp_path: Path) -> None:
    train, val = write(tmp_path, "train", range(4)), write(tmp_path, "val", range(10, 13))
    scene(2).save(tmp_path / "val" / "val11.png", "jpeg", quality=50)
    val["categories"][1]["name"] = "star"
    found, other = inspect(tmp_path, ("train", train), ("val", val))
    assert kinds(found) == ["near-duplicate", "unknown class"]
    pair = found.findings[0]
    assert (pair.image, pair.other) == (2, (str(tmp_path / "val.json"), 1))
    assert "train2.png is nearly val11.png of" in pair.text
    assert kinds(other) == ["unknown class"] and "train.json lacks 'star'" in other.findings[0].text


def test_classes_are_compared_with_those_of_a_config(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(content(["a.png"])))
    (found,) = inspect_data([DataSet(tmp_path / "a.json", None, ("disk", "ring"))])
    assert [finding.text for finding in found.findings] == [
        "the config lacks 'box'",
        f"{tmp_path / 'a.json'} lacks 'ring' of the config",
    ]


def test_a_file_of_another_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[]")
    with pytest.raises(UserError, match=r"a\.json is not in COCO's format"):
        inspect_data([DataSet(tmp_path / "a.json", None)])
    with pytest.raises(UserError, match=r"no such annotation file: .*b\.json"):
        inspect_data([DataSet(tmp_path / "b.json", None)])
