"""Writes small COCO-format data sets for tests."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SIDE = 64  # pixels of an image, both ways
_OBJECT = 30


def annotations(classes: Sequence[str], count: int = 2) -> dict[str, list[dict[str, Any]]]:
    """Makes an annotation file's content: a square of each class in ``count`` images."""
    images = [
        dict(id=i, file_name=f"{i}.png", height=SIDE, width=SIDE) for i in range(1, count + 1)
    ]
    entries: list[dict[str, Any]] = []
    for image in images:
        for category in range(1, len(classes) + 1):
            x, y = 4 + 5 * category, 20 - 3 * category
            right, bottom = x + _OBJECT, y + _OBJECT
            entries.append(
                dict(
                    id=len(entries) + 1,
                    image_id=image["id"],
                    category_id=category,
                    bbox=[x, y, _OBJECT, _OBJECT],
                    area=_OBJECT**2,
                    iscrowd=0,
                    segmentation=[[x, y, right, y, right, bottom, x, bottom]],
                )
            )
    categories = [dict(id=i, name=name) for i, name in enumerate(classes, 1)]
    return dict(images=images, annotations=entries, categories=categories)


def write_data_set(root: Path, classes: Sequence[str], count: int = 2) -> Path:
    """Writes ``train`` and ``val``, each a folder of images and a JSON file; returns root."""
    for split in ("train", "val"):
        content = annotations(classes, count)
        (root / split).mkdir(parents=True)
        for image in content["images"]:
            pixels = np.random.default_rng(image["id"]).integers(0, 80, (SIDE, SIDE, 3), np.uint8)
            for entry in content["annotations"]:
                x, y, width, height = entry["bbox"]
                if entry["image_id"] == image["id"]:
                    pixels[y : y + height, x : x + width, entry["category_id"] % 3] = 255
            Image.fromarray(pixels).save(root / split / image["file_name"])
        (root / f"{split}.json").write_text(json.dumps(content))
    return root
