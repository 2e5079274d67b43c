"""Uploads that are refused by their header, and odd ones that are not."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from msrcnn_mm.app.uploads import check_image
from msrcnn_mm.errors import UserError


def png_header(width: int, height: int) -> bytes:
    """Returns a PNG that claims a size and has no pixels."""
    data = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + data
    check = struct.pack(">I", zlib.crc32(chunk))
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + check + bytes(4) + b"IDAT"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "up is empty: choose an image"),
        (b"%PDF-1.7 or so", "up is not an image of a known format: save it as BMP, GIF, JPEG"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "up is not an image of a known"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "up is not an image of a known format"),
        (png_header(6000, 5001), "up has 6,000 x 5,001 pixels, and at most 30,000,000 are shown"),
        (png_header(65501, 1), "up has 65,501 x 1 pixels, and at most"),
        (png_header(60000, 60000), "up has too many pixels: make it smaller"),
    ],
)
def test_refused(tmp_path: Path, content: bytes, says: str) -> None:
    file = tmp_path / "up"
    file.write_bytes(content)
    with pytest.raises(UserError) as caught:
        check_image(file, "up")
    assert str(caught.value).startswith(says)
    assert "\n" not in str(caught.value)


def test_odd_images_pass(tmp_path: Path) -> None:
    file = tmp_path / "up"
    frames = [Image.new("RGB", (9, 9), (shade, 0, 0)) for shade in (0, 200)]
    for image, options in (
        (Image.new("RGB", (1, 1)), dict(format="PNG")),
        (Image.new("CMYK", (9, 9)), dict(format="JPEG")),
        (Image.fromarray(np.zeros((9, 9), np.uint16)), dict(format="TIFF")),
        (frames[0], dict(format="GIF", save_all=True, append_images=frames[1:])),
    ):
        image.save(file, **options)
        check_image(file, "up")
