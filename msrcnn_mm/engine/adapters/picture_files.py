"""Names the pictures of images, and reads the images that are drawn on."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import cv2
import mmcv
import numpy as np
from mmcv.transforms import BaseTransform
from mmengine import fileio
from mmengine.dataset import Compose
from numpy.typing import NDArray

from msrcnn_mm.report.pictures.image_files import to_8_bits
from msrcnn_mm.runtime.inputs import names_below_common_folder

from ..config.walk import loads_images


def picture_names(paths: Sequence[str]) -> list[str]:
    """Returns a name for the picture of each image, no two equal.

    It is that of :func:`names_below_common_folder`. Where an image is listed again, a number is
    added; where OpenCV cannot write the image's format, ``.png``.

    Args:
        paths: Paths or addresses of images.
    """
    names = [writable_name(name) for name in names_below_common_folder(paths)]
    taken = set(names)
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name in seen:
            names[index] = next(other for other in numbered(name) if other not in taken)
            taken.add(names[index])
        seen.add(name)
    return names


def writable_name(name: str) -> str:
    """Returns an image's name, with ``.png`` behind it where OpenCV cannot write its format."""
    return name if cv2.haveImageWriter(name) else f"{name}.png"


def numbered(name: str) -> Iterator[str]:
    """Yields a file's name with the numbers from 2 on: ``a_2.png``, ``a_3.png``."""
    root, suffix = os.path.splitext(name)  # noqa: PTH122
    number = 2
    while True:
        yield f"{root}_{number}{suffix}"
        number += 1


def listed_images(dataset: Any) -> Iterator[tuple[dict[str, Any], BaseTransform | None]]:
    """Yields each image's entry in a data set, and the transform that reads it.

    It looks into wrappers such as ``ConcatDataset``. A data set that gives no entries has none.
    """
    if hasattr(dataset, "datasets"):
        for part in dataset.datasets:
            yield from listed_images(part)
    elif hasattr(dataset, "dataset"):
        yield from listed_images(dataset.dataset)
    elif hasattr(dataset, "get_data_info"):
        loader = image_loader(getattr(dataset, "pipeline", None))
        for index in range(len(dataset)):
            yield dataset.get_data_info(index), loader


def image_loader(part: Any) -> BaseTransform | None:
    """Returns the first transform that loads images, also inside others; None without one.

    The built counterpart of ``loading_step``.

    Args:
        part: A pipeline or a transform, or a list of some.
    """
    inner: Iterable[Any] = ()
    if isinstance(part, BaseTransform) and loads_images(type(part)):
        return part
    if isinstance(part, BaseTransform | Compose):
        inner = vars(part).values()
    elif isinstance(part, Mapping):
        inner = part.values()
    elif isinstance(part, list | tuple):
        inner = part
    return next((loader for loader in map(image_loader, inner) if loader is not None), None)


def read_picture(
    info: Mapping[str, Any], loader: BaseTransform | None, backend_args: dict | None = None
) -> NDArray[np.uint8]:
    """Reads an image as a pipeline does, so that masks fit it, and makes it 8-bit RGB.

    Values of other than 8 bits are scaled by a power of two, as in the pictures of the report.

    Args:
        info: The data set's entry of the image: ``img_path`` and what else the loader needs.
        loader: The pipeline's transform, which decides whether the image is turned by its EXIF
            orientation; None to read as MMDetection's hook does.
        backend_args: File backend for reading without a loader.

    Returns:
        (H, W, 3), RGB.
    """
    if loader is None:
        return mmcv.imfrombytes(fileio.get(info["img_path"], backend_args), channel_order="rgb")
    return to_picture(loader(dict(info))["img"])


def to_picture(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Returns an image as it was loaded, (H, W) or (H, W, channels) in BGR, as 8-bit RGB.

    Values of other than 8 bits are scaled by a power of two, as in the pictures of the report.

    Returns:
        (H, W, 3), RGB.
    """
    pixels = np.atleast_3d(pixels)
    pixels = pixels[..., [0, 0, 0]] if pixels.shape[2] < 3 else pixels[..., 2::-1]
    with np.errstate(invalid="ignore"):
        as_8_bits = pixels.astype(np.uint8)
    return as_8_bits if np.array_equal(as_8_bits, pixels) else to_8_bits(pixels)
