"""Checks that images exist and have their annotated sizes, against what mmcv reads of them."""

import os
import unicodedata
import warnings
from pathlib import Path

import mmcv
import numpy as np
import pytest
from mmcv.transforms import LoadImageFromFile
from mmdet.datasets import CocoDataset
from mmdet.registry import DATASETS
from PIL import Image

from msrcnn_mm.engine.checks import images as checked
from msrcnn_mm.engine.checks.run import check_run
from msrcnn_mm.errors import UserError
from tests.support.checked_configs import check, make_config, refusal
from tests.support.checked_images import (
    MASKS,
    PIXELS,
    check_sizes,
    put,
    save_turned,
    with_loader,
)
from tests.support.coco_files import SIDE

FLAGS = ("color", "color_ignore_orientation", "unchanged", "grayscale")


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the images that are loaded and not only opened."""
    names: list[str] = []
    load = LoadImageFromFile.transform

    def record(self: LoadImageFromFile, info: dict) -> dict | None:
        names.append(Path(info["img_path"]).name)
        return load(self, info)

    monkeypatch.setattr(LoadImageFromFile, "transform", record)
    return names


def test_missing_files_are_named(root: Path) -> None:
    (root / "val" / "2.png").unlink()
    assert f"1 of 2 images of {root}/val.json are missing, the first is" in refusal(
        make_config(root)
    )
    (root / "train").rename(root / "elsewhere")
    assert f"no such folder of images: {root}/train/" in refusal(make_config(root))
    (root / "val.json").unlink()
    assert f"no such annotation file: {root}/val.json" in refusal(make_config(root))


@pytest.mark.skipif(os.sep != "/", reason="Windows knows the backslash")
@pytest.mark.parametrize("name", [r"train\1.png", r"..\train\1.png", r"a\b\1.png"])
def test_backslashes_of_windows(root: Path, name: str) -> None:
    put(root, name)
    message = refusal(make_config(root))
    assert f"the first is {root}/train/{name}: write / instead of \\," in message


@pytest.mark.parametrize("on_disk", ["NFC", "NFD"])
@pytest.mark.parametrize("name", ["é.png", "größe/1.png", "größe/é.png", "한글.png"])
def test_names_in_another_form_of_unicode(root: Path, name: str, on_disk: str) -> None:
    (written,) = {"NFC", "NFD"} - {on_disk}
    file = root / "train" / unicodedata.normalize(on_disk, name)
    file.parent.mkdir(exist_ok=True)
    Image.fromarray(PIXELS).save(file)
    path = put(root, unicodedata.normalize(written, name))
    if path.exists():
        pytest.skip("this file system compares names as people do")
    message = refusal(make_config(root))
    assert f"the first is {path}: it is there under a name that looks the same" in message
    assert f"unicodedata.normalize({on_disk!r}, name)" in message
    put(root, unicodedata.normalize(on_disk, name))
    check(make_config(root))
    file.unlink()
    assert refusal(make_config(root)).endswith(f"the first is {file}")


def test_a_folder_in_another_form_of_unicode(root: Path) -> None:
    config = make_config(root)
    (root / "train").rename(root / unicodedata.normalize("NFD", "é"))
    config.train_dataloader.dataset.data_prefix.img = "é/"
    if (root / "é").exists():
        pytest.skip("this file system compares names as people do")
    assert "é/: it is there under a name that looks the same" in refusal(config)


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
    tmp_path: Path, name: str, orientation: int, flag: str, backend: str
) -> None:
    save_turned(tmp_path / name, orientation)
    loader = dict(color_type=flag, imdecode_backend=backend)
    height, width = mmcv.imread(tmp_path / name, flag, backend=backend).shape[:2]
    check_sizes(tmp_path, [(name, (width, height))], **loader)
    with pytest.raises(UserError, match=f"but train.json says {height} x {width}"):
        check_sizes(tmp_path, [(name, (height, width))], **loader)


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
    root: Path, limit: str, monkeypatch: pytest.MonkeyPatch, loaded: list[str]
) -> None:
    monkeypatch.setattr(checked, limit, 1)
    for number in (0, 1):
        save_turned(put(root, f"{number}.jpg", (20, 30), number), pixels=PIXELS)
    check_run(make_config(root), ("train",))
    assert loaded == ["0.jpg"]
    put(root, "1.jpg", (30, 20), 1)
    assert "1.jpg is 20 x 30 pixels" in refusal(make_config(root))
    put(root, "1.jpg", (20, 30), 1)
    save_turned(root / "train" / "1.jpg", pixels=np.tile(PIXELS, (2, 1, 1)))
    assert "1.jpg is 40 x 30 pixels" in refusal(make_config(root))


LOADED = 20  # of a kind


def save_squares(folder: Path, orientation: int = 6) -> list[tuple[str, tuple[int, int]]]:
    """Saves as many square images of a kind as are loaded, and returns their sizes."""
    names = [f"{number}.png" for number in range(LOADED)]
    for name in names:
        save_turned(folder / name, orientation, PIXELS[:20, :20])
    return [(name, (20, 20)) for name in names]


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("flag", FLAGS[:2])
def test_oblong_images_after_many_square_ones(
    tmp_path: Path, orientation: int, flag: str, loaded: list[str]
) -> None:
    squares = save_squares(tmp_path, orientation)
    for name in ("a.png", "b.png"):
        save_turned(tmp_path / name, orientation)
    height, width = mmcv.imread(tmp_path / "a.png", flag).shape[:2]
    fitting, turned = (width, height), (height, width)
    check_sizes(tmp_path, [*squares, ("a.png", fitting), ("b.png", fitting)], color_type=flag)
    assert loaded == [name for name, _ in squares] + ["a.png"]
    for sizes in ([("a.png", turned)], [("a.png", fitting), ("b.png", turned)]):
        with pytest.raises(UserError, match=f"{sizes[-1][0]} is {width} x {height} pixels"):
            check_sizes(tmp_path, [*squares, *sizes], color_type=flag)


def test_a_square_image_of_another_size_after_many(tmp_path: Path, loaded: list[str]) -> None:
    squares = save_squares(tmp_path)
    save_turned(tmp_path / "a.png", pixels=PIXELS[:16, :16])
    check_sizes(tmp_path, [*squares, ("a.png", (16, 16))])
    assert loaded == [name for name, _ in squares]
    with pytest.raises(UserError, match=r"a.png is 16 x 16 pixels, but train.json says 20 x 20"):
        check_sizes(tmp_path, [*squares, ("a.png", (20, 20))])


def test_square_images_that_a_loader_scales(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their headers tell nothing of the size in which they are loaded."""
    squares = save_squares(tmp_path)
    save_turned(tmp_path / "a.png", pixels=PIXELS[:16, :16])
    load = LoadImageFromFile.transform

    def load_half(self: LoadImageFromFile, info: dict) -> dict:
        results = load(self, info)
        return {**results, "img": results["img"][::2, ::2]}

    monkeypatch.setattr(LoadImageFromFile, "transform", load_half)
    check_sizes(tmp_path, [*((name, (10, 10)) for name, _ in squares), ("a.png", (8, 8))])


@pytest.mark.parametrize("limit", [500, 200])  # below 600 pixels: Pillow warns; half: it refuses
def test_more_pixels_than_pillow_allows(
    root: Path, limit: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    Image.fromarray(PIXELS).save(put(root, "a.png"))
    check(make_config(root))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert (checked.read_header(put(root, "a.png")) is None) == (limit == 200)
    if limit == 200:
        pillow = with_loader(root, imdecode_backend="pillow")
        message = refusal(pillow)
        assert "LoadImageFromFile(color_type='color', imdecode_backend='pillow')" in message
        assert "decompression bomb" in message
    put(root, "a.png", (20, 30))
    assert "a.png is 30 x 20 pixels" in refusal(make_config(root))
    assert "Warning" not in capsys.readouterr().err


def test_a_broken_image_is_skipped_only_in_training(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = with_loader(root, imdecode_backend="pillow", ignore_empty=True)
    (root / "train" / "1.png").write_bytes(b"no image")
    check(config)
    assert f"the first is {root}/train/1.png" in capsys.readouterr().err
    for change in (lambda path: path.write_bytes(b""), Path.unlink):
        change(root / "train" / "1.png")
        check(config)
        warning = capsys.readouterr().err
        assert "are missing or empty and are skipped" in warning
        assert f"the first is {root}/train/1.png\n" in warning
    (root / "val" / "1.png").write_bytes(b"no image")
    assert f"the image {root}/val/1.png cannot be read by LoadImageFromFile" in refusal(config)


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


def test_a_pipeline_that_loads_no_image(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = make_config(root)
    config.train_dataloader.dataset.pipeline = [MASKS]
    (root / "train" / "1.png").write_bytes(b"no image")
    check(config)
    warning = "train_dataloader.dataset: no transform of its pipeline loads images"
    assert warning in capsys.readouterr().err
