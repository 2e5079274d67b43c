"""Reads the images of an annotation file."""

import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps
from pycocotools.coco import COCO

from msrcnn_mm.errors import UserError

_UNTURNED = {  # EXIF orientation -> what takes an upright image back to its stored pixels
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def check_file_names(coco: COCO, annotations: Path, image_dir: Path) -> None:
    """Checks that all images have the name of a file inside the folder of the images.

    Args:
        coco: The annotations.
        annotations: Their file, for the message.
        image_dir: The folder. Pictures must not show files outside it, since they are sent to
            others than the annotations came from.

    Raises:
        UserError: An image has no ``file_name``, or one that leads out of the folder.
    """
    for image_id, image in coco.imgs.items():
        name = image.get("file_name")
        if not isinstance(name, str):
            raise UserError(f"{annotations}: image {image_id} has no 'file_name'")
        if path_inside(image_dir, name) is None:
            raise UserError(
                f"{annotations}: image {image_id} has the file_name {name!r:.200}, which leads out "
                f"of {image_dir}: give the folder that holds all images, or write their paths "
                "inside it"
            )


def read_image(image_dir: Path, info: Mapping[str, Any]) -> NDArray[np.uint8]:
    """Reads an annotated image.

    The image is turned by its EXIF orientation, unless only the pixels as they are stored have the
    annotated size. Of several pages the first is read, and transparency is ignored.

    Values of more than 8 bits are shifted up by a negative minimum and scaled by the power of two
    by which 99.9 % of them just fit into 8 bits: of 16 bits in use the upper 8 are shown, of 12
    bits in a file of 16 the upper 8 of the 12, and floats up to 1 as 256 times their value.

    Args:
        image_dir: The folder of the images.
        info: The image's entry in the annotations.

    Returns:
        (H, W, 3), RGB.

    Raises:
        UserError: The image is missing, outside the folder, unreadable, larger than Pillow allows
            or not of the annotated size.
    """
    path = path_inside(image_dir, info["file_name"])
    if path is None or not os.path.isfile(path):  # noqa: PTH113 - Path.is_file can raise OSError
        raise UserError(f"there is no image {image_dir / info['file_name']}")
    size = (info["height"], info["width"])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of large images, odd headers and palettes
            pixels = _read(path, size)
    except Image.DecompressionBombError as error:
        raise UserError(
            f"{path} is too large to be read, scale it down with its annotations: {error}"
        ) from error
    except (OSError, ValueError, SyntaxError) as error:
        raise UserError(
            f"{path} is not a readable image, save it as PNG or JPEG of 8 bits"
        ) from error
    if pixels.shape[:2] != size:
        raise UserError(f"{path} has height, width {pixels.shape[:2]}, its annotation has {size}")
    return pixels


def path_inside(image_dir: Path, name: str) -> str | None:
    """Returns the path of a file in a folder; None if its name leads out of the folder.

    ``..`` is resolved in the name, before links are followed. Links in the folder may lead out of
    it: data sets are often made of them.
    """
    path = os.path.normpath(os.path.join(image_dir, name))  # noqa: PTH118 - pathlib is slow here
    root = os.path.join(os.path.abspath(image_dir), "")  # noqa: PTH100, PTH118
    if os.path.abspath(path).startswith(root):  # noqa: PTH100
        return path
    try:  # an absolute path beside a folder that is itself a link
        is_inside = Path(path).resolve().is_relative_to(image_dir.resolve())
    except (OSError, ValueError, RuntimeError):
        return None
    return path if is_inside else None


def _read(path: str, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Returns an image as (H, W, 3), RGB, upright unless only its stored pixels have a size.

    Args:
        path: The file.
        size: Height and width.
    """
    with Image.open(path) as file:
        # both before the file is loaded, which removes them
        is_deep = ";16" in str(file.tile)  # Pillow has no mode for 16 bits of colour
        orientation = file.getexif().get(ExifTags.Base.Orientation)
        image = ImageOps.exif_transpose(file)
    is_turned = (image.width, image.height) == size != (image.height, image.width)
    if is_turned and orientation in _UNTURNED:
        image = image.transpose(_UNTURNED[orientation])
    if image.mode[0] in "IF":
        return np.repeat(to_8_bits(np.asarray(image))[..., None], 3, axis=2)
    pixels = np.asarray(image.convert("RGB"))
    return to_8_bits(pixels) if is_deep else pixels


def to_8_bits(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Returns values scaled to 8 bits by a power of two, as :func:`read_image` describes.

    Args:
        values: Any shape, integers or floats.
    """
    is_integer = np.issubdtype(values.dtype, np.integer)
    values = np.nan_to_num(values.astype(np.float64), nan=0, posinf=0, neginf=0)
    values -= min(values.min(), 0)
    high = np.percentile(values, 99.9, method="higher") + is_integer
    scale = 256 / 2 ** np.ceil(np.log2(high)) if high > 0 else 1
    return (values * scale).clip(0, 255).astype(np.uint8)
