"""Tests the reading of images, against OpenCV's reader that MMDetection uses."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from msrcnn_mm.errors import UserError
from msrcnn_mm.report.pictures.image_files import check_file_names, read_image

COLOURS = np.random.default_rng(0).integers(0, 256, (7, 5, 3), np.uint8)


WIDE = np.random.default_rng(0).integers(0, 65536, (70, 50), np.uint16)


def save_turned(path: Path, orientation: int = 6) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation  # 6: the camera was turned by 90 degrees
    Image.fromarray(COLOURS).save(path, exif=exif)


def save_transparent(path: Path) -> None:
    Image.fromarray(np.dstack([COLOURS, COLOURS[..., 0]])).save(path)


MODES: dict[str, Any] = {
    "colour": lambda path: Image.fromarray(COLOURS).save(path),
    "grey": lambda path: Image.fromarray(COLOURS[..., 0]).save(path),
    "grey, 16 bits": lambda path: cv2.imwrite(str(path), COLOURS[..., 0].astype(np.uint16) * 257),
    "colour, 16 bits": lambda path: cv2.imwrite(str(path), COLOURS.astype(np.uint16) * 257),
    "black and white": lambda path: Image.fromarray(COLOURS[..., 0] > 99).save(path),
    "palette": lambda path: Image.fromarray(COLOURS).quantize(8).save(path),
    "transparent palette": lambda path: (
        Image.fromarray(COLOURS).quantize(8).save(path, transparency=bytes(range(0, 256, 32)))
    ),
    "grey with alpha": lambda path: Image.fromarray(
        np.dstack([COLOURS[..., 0], COLOURS[..., 1]]), "LA"
    ).save(path),
    "several frames": lambda path: Image.fromarray(COLOURS).save(
        path, save_all=True, append_images=[Image.new("RGB", (5, 7))], default_image=False
    ),
    "several pages": lambda path: Image.fromarray(COLOURS).save(
        path, format="tiff", save_all=True, append_images=[Image.new("RGB", (9, 9))]
    ),
    "CMYK": lambda path: Image.fromarray(COLOURS).convert("CMYK").save(path, format="tiff"),
    "black and white, TIFF": lambda path: Image.fromarray(COLOURS[..., 0] > 99).save(
        path, format="tiff"
    ),
    "transparent": save_transparent,
    "turned": save_turned,
}


def info(height: int, width: int) -> dict[str, Any]:
    return {"file_name": "a.png", "height": height, "width": width}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("mode", MODES)
def test_equals_opencv(mode: str, tmp_path: Path) -> None:
    MODES[mode](tmp_path / "a.png")
    known = cv2.imread(str(tmp_path / "a.png"), cv2.IMREAD_COLOR)
    assert known is not None
    found = read_image(tmp_path, info(*known.shape[:2]))
    assert found.dtype == np.uint8
    assert np.array_equal(found, known[..., ::-1])


def test_turned_image_has_the_size_of_the_turned_one(tmp_path: Path) -> None:
    save_turned(tmp_path / "a.png")
    assert read_image(tmp_path, info(5, 7)).shape == (5, 7, 3)


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif"])
@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_the_size_of_the_annotation_tells_upright_from_stored_pixels(
    name: str, orientation: int, tmp_path: Path
) -> None:
    save_turned(tmp_path / name, orientation)
    data = np.fromfile(tmp_path / name, np.uint8)  # imread, unlike imdecode, fails on turned TIFFs
    stored = cv2.imdecode(data, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    upright = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert stored is not None
    assert upright is not None
    if name == "a.tif":  # OpenCV turns a TIFF whatever it is told
        stored = COLOURS[..., ::-1]
    for known in (stored, upright):
        found = read_image(tmp_path, {**info(*known.shape[:2]), "file_name": name})
        assert np.abs(found.astype(int) - known[..., ::-1]).max() <= (9 if name == "a.jpg" else 0)


@pytest.mark.parametrize("bits", [1, 4, 8, 10, 12, 14, 16])
@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_the_upper_bits_in_use_are_shown(name: str, bits: int, tmp_path: Path) -> None:
    values = WIDE >> (16 - bits)
    cv2.imwrite(str(tmp_path / name), values)
    found = read_image(tmp_path, {**info(70, 50), "file_name": name})
    assert np.array_equal(found[..., 0], values >> (bits - 8) if bits > 8 else values << (8 - bits))
    assert np.array_equal(found[..., 0], found[..., 2])


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_12_bits_of_colour_are_not_black(name: str, tmp_path: Path) -> None:
    values = np.dstack([WIDE, WIDE // 2, WIDE // 4]) >> 4
    cv2.imwrite(str(tmp_path / name), values)
    found = read_image(tmp_path, {**info(70, 50), "file_name": name})
    # Pillow reads the upper 8 of 16 bits
    assert np.abs(found.astype(int) - (values[..., ::-1] >> 4)).max() <= 16


def test_one_bright_pixel_does_not_make_an_image_black(tmp_path: Path) -> None:
    values = WIDE >> 4
    values[0, 0] = 65535
    cv2.imwrite(str(tmp_path / "a.png"), values)
    found = read_image(tmp_path, info(70, 50))[..., 0]
    assert np.array_equal(found.ravel()[1:], (values >> 4).ravel()[1:])
    assert found[0, 0] == 255


@pytest.mark.parametrize(
    ("factor", "offset", "scale"), [(1, 0, 256), (0.01, 0, 16384), (255, 0, 1), (2, -1, 128)]
)
def test_floats_are_scaled_into_8_bits(
    factor: float, offset: float, scale: float, tmp_path: Path
) -> None:
    values = (WIDE / np.float32(65535) * factor + offset).astype(np.float32)
    Image.fromarray(values).save(tmp_path / "a.png", format="tiff")
    found = read_image(tmp_path, info(70, 50))[..., 0]
    known = np.minimum((values.astype(float) - min(0, values.min())) * scale, 255).astype(np.uint8)
    assert np.array_equal(found, known)
    assert found.max() > 150


def test_values_that_are_no_numbers_are_black(tmp_path: Path) -> None:
    values = (WIDE / 65535).astype(np.float32)
    values[:, 0], values[:, 1] = np.nan, np.inf
    Image.fromarray(values).save(tmp_path / "a.png", format="tiff")
    found = read_image(tmp_path, info(70, 50))[..., 0]
    assert not found[:, :2].any()
    assert found[:, 2:].max() > 250


@pytest.mark.filterwarnings("error")
def test_more_pixels_than_pillow_allows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(COLOURS).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 30)  # of 35
    assert np.array_equal(read_image(tmp_path, info(7, 5)), COLOURS)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 15)
    with pytest.raises(UserError, match=r"a.png is too large to be read, scale it down"):
        read_image(tmp_path, info(7, 5))


def coco_of(name: Any) -> COCO:
    coco = COCO()
    coco.imgs = {4: {**info(7, 5), "file_name": name}}
    return coco


OUTSIDE = ["../x.png", "a/../../x.png", "/etc/x.png", "..", "a/../../imgs2/x.png", "../\0.png"]


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_file_outside_the_folder_is_not_read(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = tmp_path / "imgs"
    for folder in (images / "a", tmp_path / "imgs2"):
        folder.mkdir(parents=True)
        Image.fromarray(COLOURS).save(folder.parent / "x.png")
        Image.fromarray(COLOURS).save(folder / "x.png")
    monkeypatch.chdir(tmp_path)
    for folder in (images, Path("imgs"), Path("imgs2/../imgs"), Path("./imgs/")):
        with pytest.raises(UserError, match=r"ann.json: image 4 has the file_name .* leads out of"):
            check_file_names(coco_of(name), Path("ann.json"), folder)
        with pytest.raises(UserError, match="there is no image"):
            read_image(folder, {**info(7, 5), "file_name": name})


def test_a_link_in_the_folder_does_not_make_dots_lead_out(tmp_path: Path) -> None:
    (tmp_path / "imgs").mkdir()
    (tmp_path / "secret" / "inner").mkdir(parents=True)
    Image.fromarray(COLOURS).save(tmp_path / "secret" / "x.png")
    (tmp_path / "imgs" / "a").symlink_to(tmp_path / "secret" / "inner")
    with pytest.raises(UserError, match="there is no image"):
        read_image(tmp_path / "imgs", {**info(7, 5), "file_name": "a/../x.png"})


def test_names_that_stay_inside_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = tmp_path / "imgs"
    (images / "a").mkdir(parents=True)
    Image.fromarray(COLOURS).save(images / "a" / "..x.png")
    (tmp_path / "linked").symlink_to(images)
    (images / "b.png").symlink_to(images / "a" / "..x.png")
    monkeypatch.chdir(tmp_path)
    names = ["a/..x.png", "./a//..x.png", "a/../a/..x.png", f"{images}/a/..x.png", "b.png"]
    for folder in (images, Path("imgs"), Path("linked"), Path("imgs/../linked")):
        for name in names:
            check_file_names(coco_of(name), Path("ann.json"), folder)
            assert read_image(folder, {**info(7, 5), "file_name": name}).shape == (7, 5, 3)


@pytest.mark.parametrize("name", [None, 7, ["x.png"]])
def test_an_image_without_a_file_name(name: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"ann.json: image 4 has no 'file_name'"):
        check_file_names(coco_of(name), Path("ann.json"), tmp_path)


@pytest.mark.parametrize("name", ["", ".", "a\0b.png", "n" * 5000])
def test_a_name_of_no_file(name: str, tmp_path: Path) -> None:
    check_file_names(coco_of(name), Path("ann.json"), tmp_path)
    with pytest.raises(UserError, match="there is no image"):
        read_image(tmp_path, {**info(7, 5), "file_name": name})


def test_jpeg_nearly_equals_opencv(tmp_path: Path) -> None:
    smooth = cv2.resize(COLOURS, (64, 48), interpolation=cv2.INTER_CUBIC)
    Image.fromarray(smooth).save(tmp_path / "a.png", format="jpeg")
    known = cv2.imread(str(tmp_path / "a.png"), cv2.IMREAD_COLOR)
    assert known is not None
    difference = read_image(tmp_path, info(48, 64)).astype(int) - known[..., ::-1]
    assert np.abs(difference).max() <= 4


@pytest.mark.parametrize(
    ("content", "size", "message"),
    [
        (None, (7, 5), "there is no image .*a.png"),
        (b"x", (7, 5), "a.png is not a readable image"),
        ("cut off", (7, 5), "a.png is not a readable image"),
        ("whole", (5, 7), r"a.png has height, width \(7, 5\), its annotation has \(5, 7\)"),
    ],
)
def test_bad_image(content: Any, size: tuple[int, int], message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        Image.fromarray(COLOURS).save(path)
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) - 60] if content == "cut off" else whole)
    with pytest.raises(UserError, match=message) as error:
        read_image(tmp_path, info(*size))
    assert "\n" not in str(error.value)
