"""Loads images as a pipeline does, and finds those whose values are lost on the way."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import mmcv
import numpy as np
from mmcv.transforms import LoadImageFromFile
from mmdet.registry import TRANSFORMS
from numpy.typing import NDArray

from msrcnn_mm.errors import UserError

_SETTINGS = ("color_type", "imdecode_backend")
_SAMPLE = 500  # pixels along each side of which values are looked at
_DARK = 64  # of 256: fewer levels than 6 bits hold
_WHITE = 0.1  # share of the values


class Loader:
    """The transform by which a pipeline loads images.

    Args:
        step: Its config.

    Attributes:
        name: Its class and what it is told about colour and decoder, for messages.
        skips: Whether it skips images that it cannot read, which a training replaces by others.
        reads_one_page: Whether it reads the first page or frame of a file.
    """

    def __init__(self, step: Mapping[str, Any]) -> None:
        self._step = step
        self._transform = TRANSFORMS.build(dict(step))
        settings = {name: getattr(self._transform, name, None) for name in _SETTINGS}
        given = ", ".join(f"{name}={value!r}" for name, value in settings.items() if value)
        self._class = type(self._transform).__name__
        self.name = f"{self._class}({given})"
        self.skips: bool = getattr(self._transform, "ignore_empty", False)
        self.reads_one_page = isinstance(self._transform, LoadImageFromFile)

    def load(self, info: Mapping[str, Any]) -> NDArray[Any] | None:
        """Returns an image as the pipeline gets it.

        Args:
            info: The data set's entry of the image, without annotations.

        Returns:
            (H, W) or (H, W, channels); None where the transform skips the image.

        Raises:
            UserError: The transform cannot read the image.
        """
        try:
            results = self._transform(dict(info))
            return None if results is None else results["img"]
        except MemoryError:
            raise
        except Exception as error:  # a transform may raise anything
            reason = " ".join(str(error).split())[:300].rstrip(".") or type(error).__name__
            raise UserError(
                f"the image {info['img_path']} cannot be read by {self.name}: {reason}: replace "
                "the file, save it as PNG or JPEG of 8 bits, or choose another color_type or "
                f"imdecode_backend of {self._class}"
            ) from error

    def color_type_of_size(self, info: Mapping[str, Any], size: tuple[int, int]) -> str | None:
        """Returns the ``color_type`` by which an image would have a size; None if there is none.

        Args:
            info: As for :meth:`load`.
            size: Width and height.
        """
        if not hasattr(self._transform, "color_type"):
            return None
        for color_type in ("color", "color_ignore_orientation"):
            try:
                pixels = Loader({**self._step, "color_type": color_type}).load(info)
            except UserError:
                continue
            if pixels is not None and size_of(pixels) == size:
                return color_type
        return None


def size_of(pixels: NDArray[Any]) -> tuple[int, int]:
    """Returns width and height of a loaded image."""
    return pixels.shape[1], pixels.shape[0]


def lost_range(pixels: NDArray[Any], path: str) -> str | None:
    """Returns how an image of more than 8 bits lost its values by being read as 8.

    Args:
        pixels: The loaded image, of any type.
        path: Its file.

    Returns:
        ``dark`` if 99.9 % of the values are below 64 of 255; ``white`` if a tenth of them or more
        are 255 that differ in the file; None if neither is so, or the file has 8 bits.
    """
    sample = _sample(pixels)
    if not np.array_equal(sample, sample.astype(np.uint8)):
        return None
    dark = (sample < _DARK).mean() >= 0.999
    white = (sample == 255).mean()
    if not dark and white < _WHITE:
        return None
    try:
        own = mmcv.imfrombytes(Path(path).read_bytes(), flag="unchanged")
    except (cv2.error, OSError):
        return None
    if own is None or own.dtype == np.uint8 or not own.any():
        return None
    if dark:
        return "dark"
    own = _sample(own)
    return "white" if white > 2 * (own >= 0.98 * own.max()).mean() else None


def _sample(pixels: NDArray[Any]) -> NDArray[Any]:
    """Returns some of an image's pixels, without a fourth channel."""
    down, right = (max(1, side // _SAMPLE) for side in pixels.shape[:2])
    sample = pixels[::down, ::right]
    return sample[..., :3] if sample.ndim > 2 else sample
