"""Checks of a data set's images, against what mmcv and OpenCV read of the same files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import mmcv
import numpy as np
import pytest
from mmcv.transforms import BaseTransform, LoadImageFromFile
from mmdet.datasets import CocoDataset
from mmdet.registry import DATASETS, TRANSFORMS
from PIL import Image

from msrcnn_mm.engine.checks import images as checked
from msrcnn_mm.engine.checks.run import check_run
from tests.support.checked_configs import check, edit, make_config, refusal
from tests.support.coco_files import SIDE

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
WIDE = np.random.default_rng(0).integers(0, 65536, (20, 30), np.uint16)
ORIENTATION = 0x0112
FLAGS = ("color", "color_ignore_orientation", "unchanged", "grayscale")
MASKS = dict(type="LoadAnnotations", with_mask=True)


def with_loader(root: Path, **settings: Any) -> Any:
    config = make_config(root)
    loader = {"type": "LoadImageFromFile", **settings}
    for part in ("train", "val", "test"):
        config[f"{part}_dataloader"].dataset.pipeline = [loader, MASKS]
    return config


def put(root: Path, name: str, size: tuple[int, int] = (30, 20), number: int = 0) -> Path:
    """Makes an image of the training set another file of a size, width and height."""
    entry = dict(file_name=name, width=size[0], height=size[1])
    edit(root / "train.json", lambda c: c["images"][number].update(entry))
    return root / "train" / name


def save_turned(path: Path, orientation: int = 6, pixels: np.ndarray = PIXELS) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    Image.fromarray(pixels).save(path, exif=exif)


def test_missing_files_are_named(root: Path) -> None:
    (root / "val" / "2.png").unlink()
    assert f"1 of 2 images of {root}/val.json are missing, the first is" in refusal(
        make_config(root)
    )
    (root / "train").rename(root / "elsewhere")
    assert f"no such folder of images: {root}/train/" in refusal(make_config(root))
    (root / "val.json").unlink()
    assert f"no such annotation file: {root}/val.json" in refusal(make_config(root))


@pytest.mark.parametrize("broken", [b"", b"no image"])
def test_a_file_that_is_no_image(root: Path, broken: bytes) -> None:
    (root / "train" / "1.png").write_bytes(broken)
    assert f"the image {root}/train/1.png" in refusal(make_config(root))


def test_an_image_of_another_size_than_annotated(root: Path) -> None:
    Image.new("RGB", (20, 30)).save(root / "train" / "1.png")
    assert f"is 20 x 30 pixels, but {root}/train.json says {SIDE} x {SIDE}" in refusal(
        make_config(root)
    )


@pytest.mark.parametrize("backend", ["cv2", "pillow"])
@pytest.mark.parametrize("flag", FLAGS)
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif", "a.bmp"])
@pytest.mark.parametrize("orientation", [3, 6])
def test_a_turned_image_has_the_size_in_which_it_is_loaded(
    root: Path, name: str, orientation: int, flag: str, backend: str
) -> None:
    path = put(root, name)
    save_turned(path, orientation)
    known = mmcv.imread(path, flag, backend=backend)
    put(root, name, known.shape[1::-1])
    config = with_loader(root, color_type=flag, imdecode_backend=backend)
    check(config)
    put(root, name, known.shape[:2])
    assert f"{root}/train.json says {known.shape[0]} x {known.shape[1]}" in refusal(config)


@pytest.mark.parametrize("flag", FLAGS[:2])
def test_the_color_type_that_fits_turned_images_is_named(root: Path, flag: str) -> None:
    path = put(root, "a.jpg")
    save_turned(path)
    (other,) = set(FLAGS[:2]) - {flag}
    put(root, "a.jpg", mmcv.imread(path, other).shape[1::-1])
    message = refusal(with_loader(root, color_type=flag))
    assert "its EXIF orientation is 6" in message
    assert f"set color_type={other!r} there" in message
    check(with_loader(root, color_type=other))


def test_no_color_type_is_named_where_none_fits(root: Path) -> None:
    save_turned(put(root, "a.tif"))  # OpenCV turns a TIFF whatever it is told
    message = refusal(with_loader(root))
    assert "is 20 x 30 pixels" in message
    assert "set color_type" not in message
    assert "save the files as they were annotated, without the orientation" in message


@pytest.mark.parametrize("limit", ["_LOADED", "_PIXELS"])
def test_sizes_beyond_the_loaded_images_follow_from_their_headers(
    root: Path, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checked, limit, 1)
    for number in (0, 1):
        save_turned(put(root, f"{number}.jpg", (20, 30), number), pixels=PIXELS)
    loaded = []
    load = LoadImageFromFile.transform
    monkeypatch.setattr(
        LoadImageFromFile, "transform", lambda self, info: loaded.append(info) or load(self, info)
    )
    check_run(make_config(root), ("train",))
    assert [info["img_id"] for info in loaded] == [1]
    put(root, "1.jpg", (30, 20), 1)
    assert "1.jpg is 20 x 30 pixels" in refusal(make_config(root))
    put(root, "1.jpg", (20, 30), 1)
    save_turned(root / "train" / "1.jpg", pixels=np.tile(PIXELS, (2, 1, 1)))
    assert "1.jpg is 40 x 30 pixels" in refusal(make_config(root))


@pytest.mark.parametrize("limit", [500, 200])  # below 600 pixels: Pillow warns; half: it refuses
def test_more_pixels_than_pillow_allows(
    root: Path, limit: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    Image.fromarray(PIXELS).save(put(root, "a.png"))
    check(make_config(root))
    if limit == 200:
        pillow = with_loader(root, imdecode_backend="pillow")
        message = refusal(pillow)
        assert "LoadImageFromFile(color_type='color', imdecode_backend='pillow')" in message
        assert "decompression bomb" in message
    put(root, "a.png", (20, 30))
    assert "a.png is 30 x 20 pixels" in refusal(make_config(root))
    assert "Warning" not in capsys.readouterr().err


SAVED: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "palette": ("a.png", lambda path: Image.fromarray(PIXELS).quantize(8).save(path)),
    "transparent palette": (
        "a.png",
        lambda path: Image.fromarray(PIXELS).quantize(8).save(path, transparency=bytes(range(8))),
    ),
    "grey with alpha": ("a.png", lambda path: Image.fromarray(PIXELS).convert("LA").save(path)),
    "cmyk": ("a.jpg", lambda path: Image.fromarray(PIXELS).convert("CMYK").save(path)),
    "one bit": ("a.tif", lambda path: Image.fromarray(PIXELS[..., 0] > 99).save(path)),
    "16 bits": ("a.png", lambda path: cv2.imwrite(str(path), WIDE)),
    "16 bits of colour": ("a.tif", lambda path: cv2.imwrite(str(path), np.dstack([WIDE] * 3))),
    "16 bits, white paper": ("a.png", lambda path: cv2.imwrite(str(path), WIDE | 0xFC00)),
    "radiance": (
        "a.hdr",
        lambda path: cv2.imwrite(str(path), np.dstack([WIDE] * 3).astype(np.float32) / 65535),
    ),
    "a dark image of 8 bits": ("a.png", lambda path: Image.fromarray(PIXELS // 16).save(path)),
    "16 bits of zeros": ("a.png", lambda path: cv2.imwrite(str(path), 0 * WIDE)),
}


@pytest.mark.parametrize("kind", SAVED)
def test_images_that_the_loader_reads_as_they_are(
    root: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    name, save = SAVED[kind]
    save(put(root, name))
    assert cv2.imread(str(root / "train" / name)).shape == (20, 30, 3)
    check(make_config(root))
    assert "warning" not in capsys.readouterr().err


@pytest.mark.parametrize("pixels", [WIDE >> 4, WIDE >> 6, np.dstack([WIDE >> 4] * 3)])
@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_12_and_10_bits_come_out_nearly_black(
    root: Path, name: str, pixels: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    path = put(root, name)
    cv2.imwrite(str(path), pixels)
    assert cv2.imread(str(path)).max() <= 16
    check(make_config(root))
    warning = capsys.readouterr().err
    assert "train_dataloader.dataset: 1 of 2 images that were loaded have more than 8" in warning
    assert "come out nearly black" in warning
    assert f"the first is {path}" in warning
    check(with_loader(root, color_type="unchanged"))
    assert "nearly black" not in capsys.readouterr().err


def test_a_few_images_of_12_bits_are_found_among_many_of_8(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(checked, "_LOADED", 1)
    cv2.imwrite(str(put(root, "b.png", number=1)), np.dstack([WIDE >> 4] * 3))
    check(make_config(root))
    assert "nearly black" in capsys.readouterr().err


def test_pillow_clips_16_bits_to_white(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = put(root, "a.png")
    cv2.imwrite(str(path), WIDE)
    assert (mmcv.imread(path, backend="pillow") == 255).mean() > 0.9
    check(with_loader(root, imdecode_backend="pillow"))
    assert "come out clipped to white" in capsys.readouterr().err


def test_float_values_up_to_1(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = put(root, "a.tif")
    cv2.imwrite(str(path), WIDE.astype(np.float32) / 65535)
    assert not mmcv.imread(path, backend="pillow").any()
    check(with_loader(root, imdecode_backend="pillow"))
    assert "nearly black" in capsys.readouterr().err
    assert mmcv.imread(path, "unchanged").max() > 0.9
    check(with_loader(root, color_type="unchanged"))
    assert "nearly black" not in capsys.readouterr().err
    if mmcv.imread(path) is None:
        message = refusal(make_config(root))
        assert f"the image {path} cannot be read by LoadImageFromFile(color_type='color'" in message
        assert "save it as PNG or JPEG of 8 bits" in message


@pytest.mark.parametrize("backend", ["cv2", "pillow"])
def test_numbers_of_channels_that_differ(
    root: Path, backend: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = put(root, "a.png")
    Image.fromarray(PIXELS).convert("RGBA").save(path)
    check(with_loader(root, imdecode_backend=backend))
    assert "warning" not in capsys.readouterr().err
    assert mmcv.imread(path, "unchanged", backend=backend).shape[2] == 4
    check(with_loader(root, color_type="unchanged", imdecode_backend=backend))
    warning = f"channels, 4 as in {path}, 3 as in {root}/train/2.png: a batch needs the same"
    assert warning in capsys.readouterr().err


@pytest.mark.parametrize("name", ["a.tif", "a.webp", "a.png"])
def test_the_first_of_several_pages_is_read(
    root: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = put(root, name)
    page = Image.fromarray(PIXELS)
    page.save(path, save_all=True, append_images=[Image.new("RGB", (30, 20))])
    check(make_config(root))
    warning = capsys.readouterr().err
    assert "1 of 2 images that were opened have several pages or frames" in warning
    assert f"the first such file is {path}" in warning


def test_a_broken_image_is_skipped_only_in_training(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = with_loader(root, imdecode_backend="pillow", ignore_empty=True)
    (root / "train" / "1.png").write_bytes(b"no image")
    check(config)
    assert f"the first is {root}/train/1.png" in capsys.readouterr().err
    (root / "train" / "1.png").unlink()
    check(config)
    assert "are missing or empty and are skipped" in capsys.readouterr().err
    (root / "val" / "1.png").write_bytes(b"no image")
    assert f"the image {root}/val/1.png cannot be read by LoadImageFromFile" in refusal(config)


@TRANSFORMS.register_module()
class LoadHalfImage(LoadImageFromFile):
    def transform(self, results: dict) -> dict:
        results = super().transform(results)
        results["img"] = results["img"][::2, ::2]
        return results


@TRANSFORMS.register_module()
class LoadImageOfNumbers(BaseTransform):
    def transform(self, results: dict) -> dict:
        return {**results, "img": np.loadtxt(results["img_path"])}


def test_a_loader_of_ones_own_decides(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checked, "_LOADED", 1)
    with pytest.raises(Exception, match=f"is {SIDE // 2} x {SIDE // 2} pixels"):
        check(with_loader(root, type="LoadHalfImage"))
    for split in ("train", "val"):
        halves = dict(width=SIDE // 2, height=SIDE // 2)
        edit(root / f"{split}.json", lambda c, h=halves: [i.update(h) for i in c["images"]])
    check(with_loader(root, type="LoadHalfImage"))


def test_a_format_of_ones_own(root: Path) -> None:
    config = make_config(root)
    config.train_dataloader.dataset.pipeline = [dict(type=LoadImageOfNumbers), MASKS]
    for number in (0, 1):
        np.savetxt(put(root, f"{number}.txt", (64, 50), number), np.ones((50, 64)))
    check(config)
    (root / "train" / "1.txt").write_text("nothing")
    assert "1.txt cannot be read by LoadImageOfNumbers()" in refusal(config)


def test_the_loader_inside_another_transform(root: Path) -> None:
    save_turned(put(root, "a.jpg"))
    config = make_config(root)
    inner = [dict(type="LoadImageFromFile", color_type="color_ignore_orientation")]
    config.train_dataloader.dataset.pipeline = [
        dict(type="RandomChoice", transforms=[inner]),
        MASKS,
    ]
    check(config)
    put(root, "a.jpg", (20, 30))
    assert "is 30 x 20 pixels" in refusal(config)


@DATASETS.register_module()
class ChannelFiles(CocoDataset):
    def parse_data_info(self, raw_data_info: dict) -> dict:
        info = super().parse_data_info(raw_data_info)
        return {**info, "img_path": [f"{info['img_path']}.{channel}.png" for channel in "rg"]}


def test_channels_in_files_of_their_own(root: Path) -> None:
    config = make_config(root)
    config.train_dataloader.dataset.type = "ChannelFiles"
    config.train_dataloader.dataset.pipeline = [
        dict(type="LoadMultiChannelImageFromFiles"),
        MASKS,
    ]
    for name in ("1.png", "2.png"):
        grey = Image.open(root / "train" / name).convert("L")
        for channel in "rg":
            grey.save(root / "train" / f"{name}.{channel}.png")
        (root / "train" / name).unlink()
    check(config)
    Image.new("L", (9, 9)).save(root / "train" / "2.png.r.png")
    assert "cannot be read by LoadMultiChannelImageFromFiles" in refusal(config)
    (root / "train" / "2.png.g.png").unlink()
    assert f"the first is {root}/train/2.png.g.png" in refusal(config)


def test_a_pipeline_that_loads_no_image(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = make_config(root)
    config.train_dataloader.dataset.pipeline = [MASKS]
    (root / "train" / "1.png").write_bytes(b"no image")
    check(config)
    warning = "train_dataloader.dataset: no transform of its pipeline loads images"
    assert warning in capsys.readouterr().err
