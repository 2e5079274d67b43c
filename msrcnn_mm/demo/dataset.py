"""Writes demo scenes as a data set in COCO's layout, the same bytes for the same settings.

``OUT_DIR/{train,val}/*.png`` and ``OUT_DIR/annotations/{train,val}.json``. ``OUT_DIR/demo.json``
says what the folder was made with: whole data are kept, unfinished data are completed, and a folder
that holds anything else is left alone.
"""

import json
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pycocotools.mask as rle_tools

from msrcnn_mm.errors import UserError

from .scenes import CLASSES, Scene, draw_scene

__all__ = ["CLASSES", "make_dataset"]

SPLITS = ("train", "val")
# Below this the limbs of the smallest shapes are thinner than a pixel.
MIN_SIZE = 64
# Data of an older generator are not taken for today's: raise it when the drawing changes.
_VERSION = 3
_SECONDS_BETWEEN_REPORTS = 2.0


def _annotations(scene: Scene, image_id: int, first_id: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for instance in scene.instances:
        rle = rle_tools.encode(np.asfortranarray(instance.mask.astype(np.uint8)))
        found.append(
            dict(
                id=first_id + len(found),
                image_id=image_id,
                category_id=instance.label + 1,
                segmentation=dict(size=list(rle["size"]), counts=rle["counts"].decode("ascii")),
                area=int(rle_tools.area(rle)),
                bbox=[float(edge) for edge in rle_tools.toBbox(rle)],
                iscrowd=0,
            )
        )
    return found


def _write_split(out_dir: Path, split: str, count: int, size: int, seed: int) -> None:
    """Draws and writes one split; its annotation file comes last."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    (out_dir / split).mkdir(exist_ok=True)
    reported = time.monotonic()
    for index in range(count):
        # A stream for every image: image i is the same in a set of any length.
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
    """Everything that a whole data set consists of, but for ``demo.json``."""
    files = [out_dir / "annotations" / f"{split}.json" for split in SPLITS]
    for split, count in counts.items():
        files += [out_dir / split / f"{index:06d}.png" for index in range(count)]
    return files


def _settings_of(out_dir: Path) -> dict[str, Any]:
    """What the data in the folder were made with; nothing if the folder is new or empty."""
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
    """Makes the demo data set, unless the folder already holds it whole.

    Args:
        out_dir: Made if it does not exist.
        train: Training images.
        val: Test images.
        size: Side of the images in pixels.
        seed: Every choice follows from it; image i of a split from it and i alone.

    Returns:
        Whether anything had to be written.

    Raises:
        UserError: A setting is out of range, the folder holds something else (or demo data made
            with other settings), or it cannot be written.
    """
    out_dir = Path(out_dir)
    if size < MIN_SIZE:
        raise UserError(f"size {size} is too small to draw on: give {MIN_SIZE} pixels or more")
    if train < 1 or val < 1:
        raise UserError(f"train {train} and val {val}: give at least one image each")
    if seed < 0:
        raise UserError(f"seed {seed} is negative: give 0 or more")
    wanted = dict(version=_VERSION, train=train, val=val, size=size, seed=seed)
    counts = dict(train=train, val=val)
    try:
        present = _settings_of(out_dir)
        finished = present.pop("finished", False)
        if present and present != wanted:
            made_with = ", ".join(f"{key} {value}" for key, value in present.items())
            raise UserError(
                f"{out_dir} holds demo data made otherwise ({made_with}): "
                "delete it or name another folder"
            )
        if finished and all(file.exists() for file in _files(out_dir, counts)):
            return False
        (out_dir / "annotations").mkdir(parents=True, exist_ok=True)
        marker = out_dir / "demo.json"
        marker.write_text(json.dumps(wanted | dict(finished=False)))
        for split, count in counts.items():
            _write_split(out_dir, split, count, size, seed)
        marker.write_text(json.dumps(wanted | dict(finished=True)))
    except OSError as error:
        raise UserError(f"{out_dir} cannot be written: {error.strerror or error}") from error
    return True
