"""Values, channels and pages of images as a pipeline loads them, against mmcv and OpenCV."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import mmcv
import numpy as np
import pytest
from mmcv.transforms import BaseTransform, LoadImageFromFile
from mmdet.datasets.transforms import PackDetInputs
from mmdet.registry import MODELS, TRANSFORMS
from PIL import Image

from msrcnn_mm.engine.checks import images as checked
from msrcnn_mm.engine.checks import loaded_images
from tests.support.checked_configs import check, edit, make_config, refusal
from tests.support.checked_images import MASKS, PIXELS, put, with_loader
from tests.support.coco_files import SIDE

WIDE = np.random.default_rng(0).integers(0, 65536, (20, 30), np.uint16)


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


@pytest.mark.parametrize(
    ("kind", "highest"),
    [(np.float32, 1), (np.float32, 200), (np.float32, 60000), (np.int32, 200), (np.int32, 60000)],
)
def test_only_settings_that_keep_the_values_are_named(root: Path, kind: type, highest: int) -> None:
    path = put(root, "a.tif")
    pixels = (WIDE / 65535 * highest).astype(kind)
    cv2.imwrite(str(path), pixels)
    if mmcv.imread(path) is not None:
        pytest.skip("this OpenCV reads 32 bits in color")
    message = refusal(make_config(root))
    kept = np.allclose(mmcv.imread(path, backend="pillow")[..., 0], pixels, rtol=0, atol=1)
    kept &= highest > 1
    assert ("set imdecode_backend='pillow' there" in message) == kept
    assert message.endswith("replace the file, or save it as PNG or JPEG of 8 bits")
    by_unchanged = refusal(with_preprocessor(root, dict(color_type="unchanged")))
    assert ("set color_type='color', imdecode_backend='pillow' there" in by_unchanged) == kept
    if kept:
        check(with_preprocessor(root, dict(imdecode_backend="pillow")))


@pytest.mark.parametrize("ignore", [True, False])
@pytest.mark.parametrize(
    ("backend", "package"), [("tifffile", "tifffile"), ("turbojpeg", "PyTurboJPEG")]
)
def test_a_backend_that_is_not_installed(
    root: Path, backend: str, package: str, ignore: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loaded_images, "find_spec", lambda name: None)
    message = refusal(with_loader(root, imdecode_backend=backend, ignore_empty=ignore))
    assert f"needs the package {package}, which is not installed: install it" in message
    assert message.endswith(", or set imdecode_backend='cv2' there")


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


def with_preprocessor(root: Path, loader: dict, **settings: Any) -> Any:
    config = with_loader(root, **loader)
    three = dict(mean=[1.0, 2.0, 3.0], std=[1.0, 1.0, 1.0], **settings)
    config.model.data_preprocessor = dict(type="DetDataPreprocessor", **three)
    return config


def takes(config: Any, path: Path) -> bool:
    """Whether MMDetection's own preprocessor takes an image as the config loads it."""
    loader = config.train_dataloader.dataset.pipeline[0]
    pixels = TRANSFORMS.build(loader)(dict(img_path=str(path)))["img"]
    packed = PackDetInputs(meta_keys=())(dict(img=pixels, img_shape=pixels.shape[:2]))
    batch = dict(inputs=[packed["inputs"]], data_samples=[packed["data_samples"]])
    try:
        MODELS.build(config.model.data_preprocessor)(batch)
    except (AssertionError, IndexError):
        return False
    return True


@pytest.mark.parametrize("convert", [True, False])
@pytest.mark.parametrize("backend", ["cv2", "pillow"])
@pytest.mark.parametrize("flag", ["color", "grayscale", "unchanged"])
@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_numbers_of_channels_that_the_model_takes(
    root: Path, mode: str, flag: str, backend: str, convert: bool
) -> None:
    path = put(root, "a.png")
    Image.fromarray(PIXELS).convert(mode).save(path)
    loader = dict(color_type=flag, imdecode_backend=backend)
    config = with_preprocessor(root, loader, bgr_to_rgb=convert)
    if takes(config, path):
        check(config)
        return
    message = refusal(config)
    assert f"gives the image {path} " in message
    assert "channel" in message
    assert "but the model takes 3 (its data_preprocessor): set color_type='color' there" in message
    check(with_preprocessor(root, {**loader, "color_type": "color"}, bgr_to_rgb=convert))


def test_one_value_of_mean_takes_grey_images(root: Path) -> None:
    for split in ("train", "val"):
        for file in (root / split).iterdir():
            Image.open(file).convert("L").save(file)
    config = with_preprocessor(root, dict(color_type="unchanged"))
    config.model.data_preprocessor.update(mean=[1.0], std=[1.0])
    check(config)


def test_a_transform_of_ones_own_may_change_the_channels(root: Path) -> None:
    Image.fromarray(PIXELS).convert("L").save(put(root, "a.png"))
    config = with_preprocessor(root, dict(color_type="unchanged"))
    config.train_dataloader.dataset.pipeline.append(dict(type="ThreeChannels"))
    check(config)


def test_no_color_type_is_named_for_floats(root: Path) -> None:
    path = put(root, "a.tif")
    cv2.imwrite(str(path), WIDE.astype(np.float32) / 65535)
    message = refusal(with_preprocessor(root, dict(color_type="unchanged")))
    assert f"gives the image {path} 1 channel," in message
    assert message.endswith(": save it as PNG or JPEG of 8 bits, in color")


@TRANSFORMS.register_module()
class ThreeChannels(BaseTransform):
    def transform(self, results: dict) -> dict:
        return {**results, "img": np.dstack([results["img"]] * 3)}


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
