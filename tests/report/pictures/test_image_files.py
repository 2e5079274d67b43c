"""Tests the reading of images, against OpenCV's reader that MMDetection uses."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from msrcnn_mm.errors import UserError
from msrcnn_mm.report.pictures.image_files import read_image

COLOURS = np.random.default_rng(0).integers(0, 256, (7, 5, 3), np.uint8)


def save_turned(path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: the camera was turned by 90 degrees
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
    "transparent": save_transparent,
    "turned": save_turned,
}


def info(height: int, width: int) -> dict[str, Any]:
    return {"file_name": "a.png", "height": height, "width": width}


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
