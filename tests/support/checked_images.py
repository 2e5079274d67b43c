"""Images of many kinds in the data set of a checked config."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmdet.datasets import CocoDataset
from mmengine.registry import init_default_scope
from PIL import Image

from msrcnn_mm.coco.annotations import AnnotationFile
from msrcnn_mm.engine.checks.images import check_images

from .checked_configs import edit, make_config

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
MASKS = dict(type="LoadAnnotations", with_mask=True)
_ORIENTATION = 0x0112


def with_loader(root: Path, **settings: Any) -> Any:
    config = make_config(root)
    loader = {"type": "LoadImageFromFile", **settings}
    for part in ("train", "val", "test"):
        config[f"{part}_dataloader"].dataset.pipeline = [loader, MASKS]
    return config


def put(root: Path, name: str, size: tuple[int, int] = (30, 20), number: int = 0) -> Path:
    """Makes an image of the training set another file of a size, width and height."""
    entry = dict(file_name=name, width=size[0], height=size[1])
    edit(root / "train.json", lambda c: c["images"][number].update(entry))
    return root / "train" / name


def save_turned(path: Path, orientation: int = 6, pixels: np.ndarray = PIXELS) -> None:
    exif = Image.Exif()
    exif[_ORIENTATION] = orientation
    Image.fromarray(pixels).save(path, exif=exif)


def check_sizes(folder: Path, sizes: Sequence[tuple[str, tuple[int, int]]], **loader: Any) -> None:
    """Checks images alone, without a run.

    Args:
        folder: Their folder.
        sizes: The name of each, and its annotated width and height.
        loader: Settings of ``LoadImageFromFile``.
    """
    init_default_scope("mmdet")
    images = [
        dict(id=number, file_name=name, width=size[0], height=size[1])
        for number, (name, size) in enumerate(sizes)
    ]
    file = AnnotationFile(
        "train.json", dict(images=images, categories=[dict(id=1, name="disk")], annotations=[])
    )
    dataset = CocoDataset(data_prefix=dict(img=str(folder)), lazy_init=True)
    pipeline = [dict(type="LoadImageFromFile", **loader)]
    check_images(file, dataset, pipeline, "train", trained=True)
