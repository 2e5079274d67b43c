"""Inspects image files: whether they are there, whole, of the annotated size and as they look."""

import os
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from msrcnn_mm.report.pictures.image_files import path_inside, to_8_bits
from msrcnn_mm.runtime.image_files import Header, read_header

from .duplicates import Thumbnail, thumbnail
from .finding import (
    MISSING_IMAGE,
    OTHER_MODE,
    OTHER_SIZE,
    OUTSIDE_FOLDER,
    ROTATED,
    SEVERAL_PAGES,
    UNREADABLE_ENTRY,
    UNREADABLE_IMAGE,
)

_TURNED = 5  # EXIF orientations from here on change width for height


def inspect_image(
    image: Mapping[str, Any], folder: Path, find: Callable[[str, str], None]
) -> Thumbnail | None:
    """Inspects the file of an image, all of which is decoded.

    Args:
        image: The image's entry, its size checked.
        folder: The folder of the images. A file outside it is not opened.
        find: Takes the kind and the text of a finding.

    Returns:
        The thumbnail, upright; None if the image cannot be read.
    """
    name = image.get("file_name")
    if not isinstance(name, str):
        find(UNREADABLE_ENTRY, f"image {image['id']}: file_name is {name!r:.40}: give a path")
        return None
    path = path_inside(folder, name)
    if path is None:
        find(OUTSIDE_FOLDER, name)
        return None
    if not os.path.isfile(path):  # noqa: PTH113 - Path.is_file can raise OSError
        find(MISSING_IMAGE, name)
        return None
    try:
        found = thumbnail(open_upright(path))
    except Exception as error:  # Pillow's readers raise anything on a file that is damaged
        reason = " ".join(str(error).replace(path, name).split())
        size = os.path.getsize(path)  # noqa: PTH202
        find(UNREADABLE_IMAGE, f"{name}: {reason or type(error).__name__} ({size:,} bytes)")
        return None
    header = read_header(path)
    if header is not None:
        _inspect_header(image, name, header, find)
    return found


def open_upright(path: str) -> Image.Image:
    """Returns an image turned by its EXIF orientation, with grey values in 8 bits; decodes it all.

    Raises:
        Exception: The file is damaged; Pillow's readers raise anything.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of large images, odd headers and palettes
        with Image.open(path) as file:
            file.load()
            upright = ImageOps.exif_transpose(file)
    if upright.mode[0] in "IF":
        upright = Image.fromarray(to_8_bits(np.asarray(upright)))
    return upright


def _inspect_header(
    image: Mapping[str, Any], name: str, header: Header, find: Callable[[str, str], None]
) -> None:
    annotated, stored = (image["width"], image["height"]), header.size
    upright = stored[::-1] if header.orientation >= _TURNED else stored
    as_stored = annotated == stored != upright
    if annotated != upright and not as_stored:
        sides = f"{upright[0]} x {upright[1]}"
        find(OTHER_SIZE, f"{name}: is {sides}, annotated as {annotated[0]} x {annotated[1]}")
    if header.orientation != 1:
        way = "as stored: load it with color_type='color_ignore_orientation'"
        way = way if as_stored else "upright" if annotated == upright != stored else "either way"
        find(ROTATED, f"{name}: orientation {header.orientation}, annotated {way}")
    if header.kind[1] != "RGB" or ";16" in str(header.kind[2]):
        form, mode, bits = header.kind[:3]
        find(OTHER_MODE, f"{name}: {form} of mode {mode}" + f" ({bits})" * (bits != mode))
    if header.pages:
        find(SEVERAL_PAGES, name)
