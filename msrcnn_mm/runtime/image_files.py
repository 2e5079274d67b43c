"""Finds what is special about an image file: its name, pages, orientation, values that are lost."""

import os
import unicodedata
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .model_file import require

_SAMPLE = 500  # pixels along each side of which values are looked at
_DARK = 64  # of 256: fewer levels than 6 bits hold
_WHITE = 0.1  # share of the values
_ORIENTATION = 0x0112  # EXIF tag; from 5 on width and height change places


@dataclass(frozen=True)
class Header:
    """The properties of a file that Pillow reads from its header.

    Attributes:
        kind: What decides how a loader treats the file: format, bits, orientation, pages.
        size: Width and height.
        orientation: EXIF's, from 1 to 8.
        pages: Whether there are several pages or frames.
    """

    kind: tuple[Any, ...]
    size: tuple[int, int]
    orientation: int
    pages: bool

    @property
    def is_square(self) -> bool:
        """True if height equals width, so that turning the image keeps its size."""
        return self.size[0] == self.size[1]


def read_header(path: Any) -> Header | None:
    """Returns a file's header; None if Pillow does not read it, which says nothing of loaders."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's, about large images and odd headers
            with Image.open(path) as image:
                # asked of a PNG without EXIF, Pillow would decode all of it
                has_exif = "exif" in image.info or image.format == "TIFF"
                orientation = image.getexif().get(_ORIENTATION, 1) if has_exif else 1
                # the second picture of a camera's MPO is a preview or the other eye's
                pages = image.format != "MPO" and getattr(image, "is_animated", False)
                decoder = image.tile[0][3] if image.tile else None  # has the bits of a colour
                bits = decoder[0] if isinstance(decoder, tuple) else decoder
                kind = (image.format, image.mode, bits, orientation, pages)
                return Header(kind, image.size, orientation, pages)
    except Exception:  # Pillow's readers raise anything on a file that they do not know
        return None


def other_name(missing: str) -> str:
    """Returns how a missing path is to be written, as the end of a message; empty if unknown."""
    if "\\" in missing and os.sep == "/":
        return ": write / instead of \\, which separates folders on Windows alone"
    found, form = Path(), ""
    for name in Path(missing).parts:
        if not (found / name).exists():
            same = unicodedata.normalize("NFC", name)
            names = [n for n in _names(found) if unicodedata.normalize("NFC", n) == same]
            if not names:
                return ""
            form = "NFC" if names[0] == same else "NFD"
            found /= names[0]
        else:
            found /= name
    if not form:  # it is there, and empty or no file
        return ""
    return (
        f": it is there under a name that looks the same, in Unicode's form {form}: write it in "
        f"that form, as unicodedata.normalize({form!r}, name) of Python gives"
    )


def _names(folder: Path) -> list[str]:
    """Returns the names in a folder; none if it cannot be listed."""
    try:
        return [path.name for path in folder.iterdir()]
    except OSError:
        return []


def lost_range(pixels: NDArray[Any], path: Any) -> str | None:
    """Returns how an image of more than 8 bits lost its values by being read as 8.

    Args:
        pixels: The loaded image, of any type.
        path: Its file; a list of files is not looked at.

    Returns:
        ``dark`` if 99.9 % of the values are below 64 of 255; ``white`` if a tenth of them or more
        are 255 that differ in the file; None if neither is so, or the file has 8 bits.
    """
    if not isinstance(path, str):
        return None
    sample = _sample(pixels)
    if not np.array_equal(sample, sample.astype(np.uint8)):
        return None
    dark = (sample < _DARK).mean() >= 0.999
    white = (sample == 255).mean()
    if not dark and white < _WHITE:
        return None
    cv2 = require("cv2")
    try:
        own = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    except (cv2.error, OSError):
        return None
    if own is None or own.dtype == np.uint8 or not own.any():
        return None
    if dark:
        return "dark"
    own = _sample(own)
    return "white" if white > 2 * (own >= 0.98 * own.max()).mean() else None


@contextmanager
def quiet_opencv() -> Iterator[None]:
    """Keeps OpenCV from printing warnings about damaged files, which messages tell of."""
    logging = require("cv2").utils.logging
    level = logging.getLogLevel()
    logging.setLogLevel(logging.LOG_LEVEL_ERROR)
    try:
        yield
    finally:
        logging.setLogLevel(level)


def _sample(pixels: NDArray[Any]) -> NDArray[Any]:
    """Returns some of an image's pixels, without a fourth channel."""
    down, right = (max(1, side // _SAMPLE) for side in pixels.shape[:2])
    sample = pixels[::down, ::right]
    return sample[..., :3] if sample.ndim > 2 else sample
