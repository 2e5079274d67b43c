"""Names the pictures of images, and reads the images that are drawn on."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import mmcv
import numpy as np
from mmcv.transforms import LoadImageFromFile
from mmdet.datasets.transforms import InferencerLoader, LoadImageFromNDArray
from mmengine import fileio
from numpy.typing import NDArray


def picture_names(paths: Sequence[str]) -> list[str]:
    """Returns a name for the picture of each image, no two equal.

    It is that of :func:`names_below_common_folder`. Where an image is listed again, a number is
    added; where OpenCV cannot write the image's format, ``.png``.

    Args:
        paths: Paths or addresses of images.
    """
    names = [
        name if cv2.haveImageWriter(name) else f"{name}.png"
        for name in names_below_common_folder(paths)
    ]
    taken = set(names)
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name in seen:
            names[index] = next(other for other in numbered(name) if other not in taken)
            taken.add(names[index])
        seen.add(name)
    return names


def names_below_common_folder(paths: Sequence[str]) -> list[str]:
    """Returns the paths of images below the folder that all of them share.

    Images of one folder keep their file names. No name leads out of the folder that it is joined
    to.

    Args:
        paths: Paths or addresses of images.
    """
    if not paths:
        return []
    files = [os.path.abspath(path) for path in paths]  # noqa: PTH100, pathlib keeps ".."
    folder = os.path.commonpath([os.path.dirname(file) for file in files])  # noqa: PTH120
    return [file.removeprefix(folder).lstrip(os.sep) for file in files]


def numbered(name: str) -> Iterator[str]:
    """Yields a file's name with the numbers from 2 on: ``a_2.png``, ``a_3.png``."""
    root, suffix = os.path.splitext(name)  # noqa: PTH122
    number = 2
    while True:
        yield f"{root}_{number}{suffix}"
        number += 1


def listed_images(dataset: Any) -> Iterator[tuple[dict[str, Any], LoadImageFromFile | None]]:
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


def image_loader(pipeline: Any) -> LoadImageFromFile | None:
    """Returns the transform of a pipeline that reads the image; None without one."""
    for transform in getattr(pipeline, "transforms", ()):
        if isinstance(transform, InferencerLoader):
            return transform.from_file
        if isinstance(transform, LoadImageFromFile) and not isinstance(
            transform, LoadImageFromNDArray
        ):
            return transform
    return None


def read_picture(
    path: str | Path, loader: LoadImageFromFile | None, backend_args: dict | None = None
) -> NDArray[Any]:
    """Reads an image as a pipeline does, so that masks fit it, and makes it 8-bit RGB.

    Args:
        path: Path or address of the image.
        loader: The pipeline's transform, which decides whether the image is turned by its EXIF
            orientation; None to read as MMDetection's hook does.
        backend_args: File backend for reading without a loader.

    Returns:
        (H, W, 3), RGB, 0 to 255; floats of a loader stay floats.
    """
    if loader is None:
        return mmcv.imfrombytes(fileio.get(path, backend_args), channel_order="rgb")
    pixels = loader(dict(img_path=path))["img"]
    if pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)
    pixels = np.atleast_3d(pixels)
    if pixels.shape[2] < 3:
        return pixels[..., [0, 0, 0]]
    return pixels[..., 2::-1]
