"""Checks an uploaded image by its header, before a byte of its pixels is decoded."""

from pathlib import Path

from PIL import Image, UnidentifiedImageError

from msrcnn_mm.errors import UserError

MAX_BYTES = 100_000_000
"""Greatest size of an upload."""

MAX_PIXELS = 30_000_000
"""Greatest number of pixels: 100 masks of this size, one byte a pixel, take 3 GB."""

MAX_SIDE = 65_500
"""Greatest width and height: the page gets the image as a JPEG."""

# Readers that follow links to other files or start programs, as Pillow's for EPS, are not in it.
_FORMATS = ("BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")

_REMEDY = "make it smaller, or cut it by python -m msrcnn_mm predict --tiles"

TOO_LARGE = f"is larger than the {MAX_BYTES / 1e6:.0f} MB that are read: {_REMEDY}"
"""Message on an upload of more than :data:`MAX_BYTES`, behind its name."""


def check_image(file: Path, name: str) -> None:
    """Checks that a file is an image of a size that the page can show.

    Args:
        file: The file.
        name: Its name in messages.

    Raises:
        UserError: It is none, or has more than :data:`MAX_PIXELS` or :data:`MAX_SIDE`.
    """
    if not file.stat().st_size:
        raise UserError(f"{name} is empty: choose an image")
    try:
        with Image.open(file, formats=_FORMATS) as image:
            width, height = image.size
    except Image.DecompressionBombError as error:
        raise UserError(f"{name} has too many pixels: {_REMEDY}") from error
    except UnidentifiedImageError as error:
        known = ", ".join(_FORMATS)
        raise UserError(f"{name} is not an image of a known format: save it as {known}") from error
    except Exception as error:  # Pillow's readers raise anything on a damaged header
        raise UserError(f"{name} cannot be read, its header is damaged: replace it") from error
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise UserError(
            f"{name} has {width:,} x {height:,} pixels, and at most {MAX_PIXELS:,} are shown,"
            f" {MAX_SIDE:,} a side: {_REMEDY}"
        )
