"""Reads the images of an annotation file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from pycocotools.coco import COCO

from msrcnn_mm.errors import UserError


def check_file_names(coco: COCO, annotations: Path) -> None:
    """Checks that all images have the name of their file.

    Args:
        coco: The annotations.
        annotations: Their file, for the message.

    Raises:
        UserError: An image has no ``file_name``.
    """
    for image_id, image in coco.imgs.items():
        if not isinstance(image.get("file_name"), str):
            raise UserError(f"{annotations}: image {image_id} has no 'file_name'")


def read_image(image_dir: Path, info: Mapping[str, Any]) -> NDArray[np.uint8]:
    """Reads an annotated image.

    The image is turned by its EXIF orientation. 16-bit images lose their lower byte, and
    transparency is ignored.

    Args:
        image_dir: The folder of the images.
        info: The image's entry in the annotations.

    Returns:
        (H, W, 3), RGB.

    Raises:
        UserError: The image is missing, unreadable or not of the annotated size.
    """
    path = image_dir / info["file_name"]
    if not path.is_file():
        raise UserError(f"there is no image {path}")
    try:
        with Image.open(path) as file:
            pixels = _as_rgb(ImageOps.exif_transpose(file))
    except Image.DecompressionBombError as error:
        raise UserError(f"{path} is too large to be read: {error}") from error
    except (OSError, ValueError, SyntaxError) as error:
        raise UserError(f"{path} is not a readable image") from error
    size = (info["height"], info["width"])
    if pixels.shape[:2] != size:
        raise UserError(f"{path} has height, width {pixels.shape[:2]}, its annotation has {size}")
    return pixels


def _as_rgb(image: Image.Image) -> NDArray[np.uint8]:
    """Returns an image of any mode as (H, W, 3), RGB."""
    if image.mode.startswith("I"):  # 16 bits of grey, which Pillow's own conversion would clip
        grey = (np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    return np.asarray(image.convert("RGB"))
