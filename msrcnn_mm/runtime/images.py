"""Reads images, and prepares them for the network as MMDetection's test pipeline does."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from msrcnn_mm.errors import UserError

from .image_files import lost_range, read_header
from .inputs import Image
from .model_file import ModelSettings, Resizing, require

Pixels = NDArray[np.uint8]


class Prepared(NamedTuple):
    """An image as the network takes it.

    Attributes:
        image: (1, 3, H, W) float32, normalised and padded.
        size: (2,) float32, height and width without the padding.
        scale: (4,) float32, factors by which x, y, x, y of the image became those of the network.
    """

    image: NDArray[np.float32]
    size: NDArray[np.float32]
    scale: NDArray[np.float32]


class ImageReader:
    """Reads images as exported detectors take them: an :class:`.inputs.Reader`."""

    def read(self, name: str, file: str) -> Image:
        """Reads an image file; one that cannot be read has no pixels."""
        try:
            pixels = read_image(file)
        except UserError as error:
            return Image(name, None, str(error))
        header, lost = read_header(file), lost_range(pixels, file)
        notes = ("pages",) if header is not None and header.pages else ()
        return Image(name, pixels, notes=(*notes, lost) if lost else notes)

    def check(self, image: Image) -> Image:
        """Returns a decoded image, whose channels fit."""
        return image


def read_image(path: str | Path) -> Pixels:
    """Reads an image file, turned by its EXIF orientation.

    Returns:
        (height, width, 3), blue, green, red.

    Raises:
        UserError: It cannot be read.
    """
    cv2 = require("cv2")
    try:
        content = np.fromfile(path, np.uint8)
        pixels = cv2.imdecode(content, cv2.IMREAD_COLOR) if len(content) else None
    except (OSError, cv2.error) as error:
        raise UserError(
            f"the image {path} cannot be read: {' '.join(str(error).split())}"
        ) from error
    if pixels is None:
        reason = "OpenCV cannot decode it: replace it, or save it as PNG or JPEG"
        raise UserError(
            f"the image {path} cannot be read: {reason if len(content) else 'it is empty'}"
        )
    return np.asarray(pixels, np.uint8)


def prepare(pixels: Pixels, settings: ModelSettings) -> Prepared:
    """Resizes, normalises and pads an image.

    Args:
        pixels: (height, width, 3), blue, green, red.
        settings: Those of the model.

    Raises:
        UserError: It is no such image, or is left with no pixels in one direction.
    """
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or not pixels.size:
        raise UserError(
            f"an image must be (height, width, 3) of uint8, not {pixels.shape} of {pixels.dtype}"
        )
    height, width = pixels.shape[:2]
    new_width, new_height = new_size(width, height, settings.resizing)
    if not (new_width and new_height):
        raise UserError(
            f"an image of {width} x {height} pixels would be resized to {new_width} x {new_height}:"
            " cut it into parts"
        )
    cv2 = require("cv2")
    resized = cv2.resize(pixels, (new_width, new_height), interpolation=cv2.INTER_LINEAR)
    values = resized.astype(np.float32)
    if settings.to_rgb:
        values = values[..., ::-1]
    values = (values - np.array(settings.mean, np.float32)) / np.array(settings.std, np.float32)
    shape = [-(-side // settings.divisor) * settings.divisor for side in (new_height, new_width)]
    image = np.full((1, 3, *shape), settings.padding, np.float32)
    image[0, :, :new_height, :new_width] = values.transpose(2, 0, 1)
    factors = (new_width / width, new_height / height) * 2
    size = np.array((new_height, new_width), np.float32)
    return Prepared(image, size, np.array(factors, np.float32))


def new_size(width: int, height: int, resizing: Resizing) -> tuple[int, int]:
    """Returns width and height behind MMDetection's ``Resize``, which rounds halves up."""
    scale: tuple[Any, ...]
    if resizing.scale is None:
        assert resizing.factor is not None
        scale = _rounded(width * resizing.factor[0]), _rounded(height * resizing.factor[1])
    else:
        scale = tuple(resizing.scale)
    if not resizing.keep_ratio:
        return scale[0], scale[1]
    factor = min(max(scale) / max(height, width), min(scale) / min(height, width))
    return _rounded(width * factor), _rounded(height * factor)


def _rounded(side: float) -> int:
    return int(side + 0.5)
