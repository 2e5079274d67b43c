"""Writes demo scenes as a data set in COCO's layout, the same bytes for the same settings.

The files are ``OUT_DIR/{train,val}/*.png`` and ``OUT_DIR/annotations/{train,val}.json``.
``OUT_DIR/demo.json`` holds the settings. Complete data are kept, incomplete data are completed, and
a folder with anything else in it is refused.
"""

import json
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pycocotools.mask as rle_tools

from msrcnn_mm.errors import UserError

from .scenes import Scene, draw_scene
from .shapes import CLASSES

__all__ = ["CLASSES", "make_dataset"]

SPLITS = ("train", "val")
# At a smaller size the limbs of the smallest shapes are thinner than a pixel.
MIN_SIZE = 64
MAX_SIZE = 2048  # drawing one image takes some ten seconds
# Raise this when the drawing changes, so that data of an older version are not reused.
_VERSION = 3
_SECONDS_BETWEEN_REPORTS = 2.0


def _annotations(scene: Scene, image_id: int, first_id: int) -> list[dict[str, Any]]:
    """Returns a scene's COCO annotations, numbered from ``first_id``."""
    annotations: list[dict[str, Any]] = []
    for instance in scene.instances:
        rle = rle_tools.encode(np.asfortranarray(instance.mask.astype(np.uint8)))
        annotations.append(
            dict(
                id=first_id + len(annotations),
                image_id=image_id,
                category_id=instance.label + 1,
                segmentation=dict(size=list(rle["size"]), counts=rle["counts"].decode("ascii")),
                area=int(rle_tools.area(rle)),
                bbox=[float(edge) for edge in rle_tools.toBbox(rle)],
                iscrowd=0,
            )
        )
    return annotations


def _write_split(out_dir: Path, split: str, count: int, size: int, seed: int) -> None:
    """Draws and writes one split, the annotation file last."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    (out_dir / split).mkdir(exist_ok=True)
    reported = time.monotonic()
    for index in range(count):
        # Each image has its own random stream and does not depend on the number of images.
        rng = np.random.default_rng([seed, SPLITS.index(split), index])
        scene = draw_scene(size, rng)
        name = f"{index:06d}.png"
        (out_dir / split / name).write_bytes(cv2.imencode(".png", scene.image)[1].tobytes())
        images.append(dict(id=index + 1, file_name=name, width=size, height=size))
        annotations += _annotations(scene, index + 1, len(annotations) + 1)
        if time.monotonic() - reported > _SECONDS_BETWEEN_REPORTS:
            reported = time.monotonic()
            print(f"{split}: {index + 1} of {count} images drawn", flush=True)
    content = dict(
        info=dict(description="msrcnn_mm demo data"),
        images=images,
        annotations=annotations,
        categories=[dict(id=label + 1, name=name) for label, name in enumerate(CLASSES)],
    )
    (out_dir / "annotations" / f"{split}.json").write_text(json.dumps(content))


def _files(out_dir: Path, counts: dict[str, int]) -> list[Path]:
    """Returns the files of a complete data set except ``demo.json``."""
    files = [out_dir / "annotations" / f"{split}.json" for split, n in counts.items() if n]
    for split, count in counts.items():
        files += [out_dir / split / f"{index:06d}.png" for index in range(count)]
    return files


def _settings_of(out_dir: Path) -> dict[str, Any]:
    """Returns the settings of the data in a folder; empty if the folder is new or empty."""
    if not out_dir.exists():
        return {}
    if not out_dir.is_dir():
        raise UserError(f"{out_dir} is a file: name a folder for the demo data")
    marker = out_dir / "demo.json"
    if not marker.exists():
        if any(out_dir.iterdir()):
            raise UserError(f"{out_dir} holds files that are not demo data: name another folder")
        return {}
    try:
        settings = json.loads(marker.read_text())
    except ValueError:
        settings = None
    if not isinstance(settings, dict):
        raise UserError(f"{marker} cannot be read: delete {out_dir} or name another folder")
    return settings


def make_dataset(
    out_dir: Path | str, *, train: int = 400, val: int = 120, size: int = 128, seed: int = 0
) -> bool:
    """Makes the demo data set unless the folder holds it completely.

    Args:
        out_dir: The folder; made if it does not exist.
        train: Number of training images; 0 for none.
        val: Number of test images; 0 for none.
        size: Side of the images in pixels.
        seed: Seed of every choice; image i of a split depends on it and i alone.

    Returns:
        Whether anything was written.

    Raises:
        UserError: A setting is out of range, the folder holds something else (or demo data made
            with other settings), or it cannot be written.
    """
    out_dir = Path(out_dir)
    if not MIN_SIZE <= size <= MAX_SIZE:
        raise UserError(f"size must be from {MIN_SIZE} to {MAX_SIZE} pixels, not {size}")
    if min(train, val) < 0 or not train + val:
        raise UserError(
            f"train and val must be integers >= 0 and not both 0, not {train} and {val}"
        )
    if seed < 0:
        raise UserError(f"seed must be an integer >= 0, not {seed}")
    wanted = dict(version=_VERSION, train=train, val=val, size=size, seed=seed)
    counts = dict(train=train, val=val)
    try:
        present = _settings_of(out_dir)
        finished = present.pop("finished", False)
        if present and present != wanted:
            made_with = ", ".join(f"{key} {value}" for key, value in present.items())
            raise UserError(
                f"{out_dir} holds demo data of other settings ({made_with}): "
                "delete it or name another folder"
            )
        if finished and all(file.exists() for file in _files(out_dir, counts)):
            return False
        (out_dir / "annotations").mkdir(parents=True, exist_ok=True)
        marker = out_dir / "demo.json"
        marker.write_text(json.dumps(wanted | dict(finished=False)))
        for split, count in counts.items():
            if count:
                _write_split(out_dir, split, count, size, seed)
        marker.write_text(json.dumps(wanted | dict(finished=True)))
    except OSError as error:
        raise UserError(f"{out_dir} cannot be written: {error.strerror or error}") from error
    return True
