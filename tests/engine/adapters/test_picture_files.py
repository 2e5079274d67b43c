"""Names of pictures keep the images' folders, and images are read as their pipeline reads them."""

from pathlib import Path

import cv2
import mmcv
import numpy as np
import pytest
from mmcv.transforms import BaseTransform, Compose
from mmdet.registry import TRANSFORMS
from mmengine.registry import init_default_scope
from PIL import Image

from msrcnn_mm.engine.adapters.picture_files import (
    image_loader,
    listed_images,
    picture_names,
    read_picture,
)
from msrcnn_mm.engine.config.walk import loading_step
from msrcnn_mm.report.pictures.image_files import read_image

RED_LEFT = np.zeros((4, 6, 3), np.uint8)  # RGB: the left half is red
RED_LEFT[:, :3, 0] = 255


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        ([], []),
        (["data/val/1.png", "data/val/2.png"], ["1.png", "2.png"]),
        (["data/val/cam1/1.png"], ["1.png"]),
        (["val/cam1/1.png", "val/cam2/1.png"], ["cam1/1.png", "cam2/1.png"]),
        (["val/1.png", "val/night/1.png"], ["1.png", "night/1.png"]),
        (["val/a/1.png", "val/ab/1.png"], ["a/1.png", "ab/1.png"]),
        (["/one/set/1.png", "/two/1.png"], ["one/set/1.png", "two/1.png"]),
        (["val/../1.png", "val/x/1.png"], ["1.png", "val/x/1.png"]),
        (["val/../../../1.png", "val/1.png"], None),
        (["s3://bucket/a/1.png", "s3://bucket/b/1.png"], ["a/1.png", "b/1.png"]),
        (["a/1.png", "a/1.png", "a/1_2.png"], ["1.png", "1_3.png", "1_2.png"]),
        (["a/1.png", "a/./1.png", "b/../a/1.png"], ["1.png", "1_2.png", "1_3.png"]),
        (["a/1.jpg", "a/1.png"], ["1.jpg", "1.png"]),
        (["a/1", "a/1.jfif", "a/1.png"], ["1.png", "1.jfif.png", "1_2.png"]),
    ],
)
def test_pictures_keep_their_folders(paths: list[str], names: list[str] | None) -> None:
    found = picture_names(paths)
    assert len(set(found)) == len(paths)
    out = Path("/pictures/of/a/test")
    assert all((out / name).resolve().is_relative_to(out) for name in found)
    if names is not None:
        assert found == names


def load_step(**settings: object) -> Compose:
    return Compose([TRANSFORMS.build(dict(type="LoadImageFromFile", **settings))])


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    "settings",
    [
        {},
        dict(color_type="color_ignore_orientation"),
        dict(color_type="unchanged"),
        dict(color_type="color_ignore_orientation", imdecode_backend="pillow"),
        dict(to_float32=True),
    ],
    ids=str,
)
def test_pictures_are_turned_as_the_pipeline_turns_them(
    tmp_path: Path, settings: dict, orientation: int
) -> None:
    """Also by half a turn, and in squares, where sizes do not tell."""
    file = tmp_path / "1.png"
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(RED_LEFT).save(file, exif=exif)
    pipeline = load_step(**settings)
    loaded = pipeline(dict(img_path=str(file)))["img"]  # BGR
    picture = read_picture(dict(img_path=str(file)), image_loader(pipeline))
    assert np.array_equal(picture[..., ::-1], loaded)
    if "ignore" in settings.get("color_type", "") or settings.get("color_type") == "unchanged":
        assert np.array_equal(picture, RED_LEFT)


@pytest.mark.parametrize("color_type", ["color", "unchanged", "grayscale"])
@pytest.mark.parametrize(
    "pixels",
    [
        np.full((3, 4), 40000, np.uint16),
        np.full((3, 4), 90, np.uint8),
        np.full((3, 4, 4), 90, np.uint8),
    ],
    ids=["16 bits", "grey", "RGBA"],
)
def test_pictures_are_rgb_of_eight_bits(
    tmp_path: Path, color_type: str, pixels: np.ndarray
) -> None:
    file = tmp_path / "1.png"
    Image.fromarray(pixels).save(file)
    picture = read_picture(dict(img_path=str(file)), image_loader(load_step(color_type=color_type)))
    assert picture.shape == (3, 4, 3) and picture.dtype == np.uint8
    assert np.unique(picture).tolist() == [90 if pixels.dtype == np.uint8 else 40000 >> 8]


@pytest.mark.parametrize("to_float32", [False, True])
@pytest.mark.parametrize(
    ("pixels", "shown"),
    [
        (np.full((3, 4), 4000, np.uint16), 4000 >> 4),  # 12 bits in a file of 16
        (np.full((3, 4), 1000, np.uint16), 1000 >> 2),
        (np.full((3, 4), 65535, np.uint16), 255),
        (np.full((3, 4), 0.75, np.float32), 192),
        (np.full((3, 4), 7, np.uint8), 7),
    ],
    ids=["12 bits", "10 bits", "16 bits", "floats", "8 bits, dark"],
)
def test_values_of_more_bits_fill_eight_as_in_the_report(
    tmp_path: Path, pixels: np.ndarray, shown: int, to_float32: bool
) -> None:
    file = tmp_path / "1.tif"
    cv2.imwrite(str(file), pixels)
    loader = image_loader(load_step(color_type="unchanged", to_float32=to_float32))
    picture = read_picture(dict(img_path=str(file)), loader)
    assert picture.dtype == np.uint8
    assert np.unique(picture).tolist() == [shown]
    own = read_image(tmp_path, dict(file_name="1.tif", height=3, width=4))
    assert np.array_equal(picture, own)


@TRANSFORMS.register_module()
class LoadTextAsImage(BaseTransform):
    """Knows a format of its own, and needs more of the entry than the path."""

    def transform(self, results: dict) -> dict:
        rows = np.loadtxt(results["img_path"], dtype=np.uint8)
        return {**results, "img": rows.reshape(results["height"], results["width"])}


LOADERS = {
    "alone": dict(type="LoadTextAsImage"),
    "in a choice": dict(type="RandomChoice", transforms=[[dict(type="LoadTextAsImage")]]),
    "in a wrapper": dict(
        type="RandomApply",
        transforms=[
            dict(type="RandomFlip", prob=0.0),
            dict(type="Compose", transforms=dict(type="LoadTextAsImage")),
        ],
    ),
    "in branches": dict(
        type="mmdet.MultiBranch", branch_field=["a"], a=[dict(type="LoadTextAsImage")]
    ),
}


@pytest.mark.parametrize("name", LOADERS)
def test_the_loader_is_the_one_that_the_checks_try(tmp_path: Path, name: str) -> None:
    init_default_scope("mmdet")
    steps = [LOADERS[name], dict(type="LoadAnnotations")]
    loader = image_loader(Compose([TRANSFORMS.build(step) for step in steps]))
    assert loading_step(steps) == dict(type="LoadTextAsImage")
    assert type(loader) is LoadTextAsImage
    file = tmp_path / "1.txt"
    np.savetxt(file, RED_LEFT[..., 0], fmt="%d")
    picture = read_picture(dict(img_path=str(file), height=4, width=6), loader)
    assert np.array_equal(picture, RED_LEFT[..., [0, 0, 0]])


def test_a_loader_in_a_choice_decides_on_the_orientation(tmp_path: Path) -> None:
    file = tmp_path / "1.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(RED_LEFT).save(file, exif=exif)
    choice = dict(
        type="RandomChoice",
        transforms=[[dict(type="LoadImageFromFile", color_type="color_ignore_orientation")]],
    )
    loader = image_loader(Compose([TRANSFORMS.build(choice)]))
    assert read_picture(dict(img_path=str(file)), loader).shape == RED_LEFT.shape


def test_ordinary_images_are_read_as_by_mmdetection(tmp_path: Path) -> None:
    file = tmp_path / "1.jpg"
    Image.fromarray(RED_LEFT).save(file)
    expected = mmcv.imread(str(file), channel_order="rgb")
    assert np.array_equal(
        read_picture(dict(img_path=str(file)), image_loader(load_step())), expected
    )
    assert np.array_equal(read_picture(dict(img_path=str(file)), None), expected)


class Wrapper:
    """A data set around others, or one of an image."""

    def __init__(self, **inside: object) -> None:
        self.__dict__.update(inside)

    def __len__(self) -> int:
        return 1


def test_wrapped_data_sets_are_looked_into() -> None:
    a, b, c = (Wrapper(get_data_info={0: name}.get) for name in "abc")
    c.pipeline = load_step()
    unlisted = Wrapper()
    repeated = Wrapper(dataset=Wrapper(datasets=[b, unlisted, Wrapper(dataset=c)]))
    listed = list(listed_images(Wrapper(datasets=[a, repeated])))
    assert listed == [("a", None), ("b", None), ("c", c.pipeline.transforms[0])]


def test_a_loader_of_arrays_reads_no_files() -> None:
    array = TRANSFORMS.build(dict(type="mmdet.LoadImageFromNDArray"))
    assert image_loader(Compose([array])) is None
    assert loading_step([dict(type="mmdet.LoadImageFromNDArray")]) is None
    inferencer = TRANSFORMS.build(dict(type="mmdet.InferencerLoader"))
    assert image_loader(Compose([inferencer])) is inferencer.from_file
    assert image_loader(None) is None
