"""Checks of a data set's images against its annotations."""

import os
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from msrcnn_mm.coco.annotations import AnnotationFile
from msrcnn_mm.errors import UserError

# Opening takes some 0.1 ms on a disk and ten times that on a network; more would hold up COCO.
_OPENED = 2000
_ORIENTATION = 0x0112  # EXIF tag; from 5 on width and height change places


def check_images(file: AnnotationFile, folder: str, where: str) -> None:
    """Checks that all images exist and are not empty, and the headers of up to 2000 of them.

    Args:
        file: The annotations that name them.
        folder: The folder that the names are relative to.
        where: The config's key of the data set.

    Raises:
        UserError: One is missing or broken, or has another size than annotated.
    """
    if folder and not Path(folder).is_dir():
        raise UserError(f"{where}: no such folder of images: {folder}")
    sizes: dict[str, dict[str, int]] = {}
    missing = []
    for image in file.images.values():
        path = _path(folder, image)
        parent, name = os.path.split(path)
        if parent not in sizes:
            sizes[parent] = _file_sizes(parent)
        size = sizes[parent].get(name)
        if size is None:
            missing.append(path)
        elif size == 0:
            raise UserError(f"{where}: the image {path} is empty (0 bytes)")
    if missing:
        raise UserError(
            f"{where}: {len(missing)} of {len(file.images)} images of {file.path} are missing, "
            f"the first is {missing[0]}"
        )
    step = -(-len(file.images) // _OPENED)
    for image in list(file.images.values())[::step]:
        _check_header(_path(folder, image), image, file.path, where)


def _path(folder: str, image: dict) -> str:
    """Returns the path of an image of the annotations."""
    # pathlib would take a second for COCO
    return os.path.join(folder, image["file_name"])  # noqa: PTH118


def _file_sizes(folder: str) -> dict[str, int]:
    """Returns sizes by name of a folder's files, from one listing; none without such a folder."""
    try:
        with os.scandir(folder or ".") as entries:
            return {entry.name: entry.stat().st_size for entry in entries if entry.is_file()}
    except OSError:
        return {}


def _check_header(path: str, annotated: dict, annotations: str, where: str) -> None:
    """Checks that a file is an image of the annotated size, turned upright as OpenCV does."""
    try:
        with Image.open(path) as image:
            size = image.size
            # asked of a PNG without EXIF, Pillow would decode all of it
            if "exif" in image.info and image.getexif().get(_ORIENTATION, 1) >= 5:
                size = size[::-1]
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise UserError(f"{where}: the image {path} cannot be read: {error}") from error
    if size != (annotated["width"], annotated["height"]):
        raise UserError(
            f"{where}: the image {path} is {size[0]} x {size[1]} pixels, but {annotations} says "
            f"{annotated['width']} x {annotated['height']}, so its masks would be off its objects"
        )
