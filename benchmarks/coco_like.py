"""Writes annotations and results like those of COCO's val2017, random by seed.

An image has 80 classes to draw from, 7.2 instances on average as polygons, and some crowd regions
as RLEs. Its detections find instances more or less well or are false alarms; their masks have
uneven outlines, and RLEs as long as those of a detector on COCO. Images beyond 5,000 are copies of
the first ones under other ids, which takes minutes less.
"""

import json
from itertools import groupby
from operator import itemgetter
from os import SEEK_END
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import pycocotools.mask as mask_utils

CLASSES = 80
SIZES = ((480, 640), (640, 480), (427, 640), (500, 375))  # height, width
INSTANCES = 7.2  # an image, on average
CROWDS = 0.012  # share of the instances
_POINTS = 48  # of a detection's outline
_DISTINCT = 5000  # images


def write_files(folder: Path, images: int, detections: int, seed: int = 0) -> tuple[Path, Path]:
    """Writes an annotation file and a results file.

    Args:
        folder: Where to.
        images: Number of images.
        detections: Number of detections of each.
        seed: Of all that is random.

    Returns:
        Path of the results, path of the annotations.
    """
    rng = np.random.default_rng(seed)
    results, annotations = folder / "results.json", folder / "annotations.json"
    entries: list[dict[str, Any]] = []
    annotated: list[dict[str, Any]] = []
    starts: list[int] = []
    with results.open("w+") as file:
        file.write("[")
        for image_id in range(1, min(images, _DISTINCT) + 1):
            height, width = SIZES[rng.integers(len(SIZES))]
            name = f"{image_id:012}.jpg"
            entries.append({"id": image_id, "file_name": name, "height": height, "width": width})
            starts.append(file.tell())
            _write_image(file, annotated, rng, entries[-1], detections)
        starts.append(file.tell())
        for image_id in range(_DISTINCT + 1, images + 1):
            _copy_image(file, starts, image_id)
        file.write("]")
    by_image = [[*some] for _, some in groupby(annotated, itemgetter("image_id"))]
    for image_id in range(_DISTINCT + 1, images + 1):
        source = (image_id - 1) % _DISTINCT
        name = f"{image_id:012}.jpg"
        entries.append({**entries[source], "id": image_id, "file_name": name})
        for one in by_image[source]:
            annotated.append({**one, "image_id": image_id, "id": len(annotated) + 1})
    categories = [{"id": k, "name": f"class {k}"} for k in range(1, CLASSES + 1)]
    content = {"images": entries, "categories": categories, "annotations": annotated}
    annotations.write_text(json.dumps(content))
    return results, annotations


def _copy_image(file: TextIO, starts: list[int], image_id: int) -> None:
    """Writes the detections of an image again under another id.

    Args:
        file: At its end.
        starts: First characters of the first images, and of what follows them.
        image_id: The other id.
    """
    source = (image_id - 1) % _DISTINCT
    file.seek(starts[source])
    text = file.read(starts[source + 1] - starts[source]).removeprefix(", ")
    file.seek(0, SEEK_END)
    file.write(", " + text.replace(f'"image_id": {source + 1},', f'"image_id": {image_id},'))


def _write_image(
    file: TextIO,
    annotated: list[dict[str, Any]],
    rng: np.random.Generator,
    image: dict[str, Any],
    detections: int,
) -> None:
    """Writes the detections of an image, and adds its annotations."""
    height, width = image["height"], image["width"]
    count = 1 + rng.poisson(INSTANCES - 1)
    classes = rng.choice(rng.integers(1, CLASSES + 1, 3), count)
    centres = rng.uniform((0, 0), (width, height), (count, 2))
    radii = np.exp(rng.normal(3.0, 1.1, (count, 1)) + rng.normal(0, 0.3, (count, 2)))
    radii = np.clip(radii, 4, height / 2)
    outlines = _outlines(rng, centres, radii, 22, 0.05)
    for outline, category in zip(outlines, classes.tolist(), strict=True):
        points = np.clip(outline, 0, (width, height)).round(2)
        polygon = points.ravel().tolist()
        rle = mask_utils.frPyObjects([polygon], height, width)[0]
        crowd = rng.random() < CROWDS
        annotated.append(
            {
                "segmentation": _uncompressed(rle) if crowd else [polygon],
                "area": float(mask_utils.area(rle)),
                "iscrowd": int(crowd),
                "image_id": image["id"],
                "bbox": mask_utils.toBbox(rle).tolist(),
                "category_id": category,
                "id": len(annotated) + 1,
            }
        )
    near = rng.integers(count, size=detections)
    off = rng.choice([0.06, 0.25, 0.9], (detections, 1))
    moved = centres[near] + rng.normal(0, off, (detections, 2)) * radii[near]
    sides = radii[near] * np.exp(rng.normal(0, off, (detections, 2)))
    moved = np.clip(moved, 0, (width - 1, height - 1))
    outlines = _outlines(rng, moved, np.clip(sides, 3, height / 2), _POINTS, 0.08)
    rles = mask_utils.frPyObjects(outlines.reshape(detections, -1).tolist(), height, width)
    own = np.where(rng.random(detections) < 0.7, classes[near], rng.integers(1, 81, detections))
    scores = rng.beta(0.6, 2, detections) * (1 - 0.5 * off[:, 0])
    ious = np.clip(1 - off[:, 0] + rng.normal(0, 0.15, detections), 0.01, 0.99)
    for n, rle in enumerate(rles):
        row = {
            "image_id": image["id"],
            "category_id": int(own[n]),
            "bbox": [float(side) for side in mask_utils.toBbox(rle) + rng.uniform(0, 0.5, 4)],
            "score": float(scores[n]),
            "segmentation": {"size": [height, width], "counts": rle["counts"].decode()},
            "mask_iou": float(ious[n]),
            "mask_score": float(scores[n] * ious[n]),
            "foreground_prob": float(0.5 + ious[n] / 2),
        }
        file.write(", " * (image["id"] > 1 or n > 0) + json.dumps(row))


def _outlines(
    rng: np.random.Generator, centres: np.ndarray, radii: np.ndarray, points: int, uneven: float
) -> np.ndarray:
    """Returns (N, P, 2) outlines around (N, 2) centres."""
    angles = np.linspace(0, 2 * np.pi, points, endpoint=False)
    circle = np.stack((np.cos(angles), np.sin(angles)), axis=1)
    reach = np.exp(rng.normal(0, uneven, (len(centres), points, 1)))
    return centres[:, None] + radii[:, None] * circle * reach


def _uncompressed(rle: dict[str, Any]) -> dict[str, Any]:
    """Returns the RLE of a crowd region as annotation files have it: its runs as numbers."""
    height, width = rle["size"]
    pixels = mask_utils.decode(rle).ravel(order="F")
    edges = np.flatnonzero(np.diff(pixels, prepend=0))
    runs = np.diff(edges, prepend=0, append=height * width)
    return {"size": [height, width], "counts": runs.tolist()}
