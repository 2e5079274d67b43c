"""Measures what a re-scorer takes: features with two views, fit, and scores.

    python -m benchmarks.rescoring [--images 5000]

Writes files of random scenes like COCO's (640 x 480 pixels, 80 classes, 7 instances and 100 masks
an image), the results of the mirrored images and those of the images at another size. Then it reads
them, computes the features of the detections, fits a re-scorer and scores all detections.
"""

import argparse
import json
import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pycocotools.mask as mask_utils

from msrcnn_mm.coco.annotations import load_annotations
from msrcnn_mm.coco.results_file import load_results
from msrcnn_mm.rescoring.features.collect import features_of
from msrcnn_mm.rescoring.features.views import View
from msrcnn_mm.rescoring.rescorer_fit import fit_rescorer

HEIGHT, WIDTH, CLASSES = 480, 640, 80
INSTANCES, DETECTIONS = 7, 100
DISTINCT = 250
"""Number of scenes, which are repeated if there are more images."""

_T = TypeVar("_T")


def ellipse(centre: np.ndarray, radii: np.ndarray) -> dict[str, Any]:
    """Returns the RLE of an ellipse, built from one run per column."""
    x = np.arange(WIDTH)
    half = radii[1] * np.sqrt(np.clip(1 - ((x - centre[0]) / radii[0]) ** 2, 0, None))
    top = np.clip(np.round(centre[1] - half), 0, HEIGHT).astype(int)
    bottom = np.clip(np.round(centre[1] + half), 0, HEIGHT).astype(int)
    edges = np.stack([x * HEIGHT + top, x * HEIGHT + bottom], axis=1)[bottom > top].ravel()
    counts = np.diff(edges, prepend=0, append=HEIGHT * WIDTH).tolist()
    rle = mask_utils.frPyObjects({"size": [HEIGHT, WIDTH], "counts": counts}, HEIGHT, WIDTH)
    return {"size": [HEIGHT, WIDTH], "counts": rle["counts"].decode()}


def scene(rng: np.random.Generator) -> tuple[list[dict[str, Any]], list[list[dict[str, Any]]]]:
    """Returns the annotations of an image, and its results, mirrored and at another size too."""
    centres = rng.uniform((0, 0), (WIDTH, HEIGHT), (INSTANCES, 2))
    radii = np.exp(rng.uniform(np.log(8), np.log(150), (INSTANCES, 2)))
    classes = rng.choice(rng.integers(1, CLASSES + 1, 3), INSTANCES)
    truths = [
        {"category_id": int(category), "segmentation": ellipse(centre, radius), "iscrowd": 0}
        for centre, radius, category in zip(centres, radii, classes, strict=True)
    ]
    for truth in truths:
        truth["area"] = int(mask_utils.area(truth["segmentation"]))
        truth["bbox"] = mask_utils.toBbox(truth["segmentation"]).tolist()
    results: list[list[dict[str, Any]]] = [[], [], []]
    for _ in range(DETECTIONS):
        near = rng.integers(INSTANCES)
        off = rng.choice([0.05, 0.2, 0.8])
        centre = centres[near] + rng.normal(0, off, 2) * radii[near]
        radius = np.maximum(radii[near] * np.exp(rng.normal(0, off, 2)), 3)
        right = rng.random() < 0.7
        category = int(classes[near] if right else rng.integers(1, CLASSES + 1))
        score = float(np.clip(rng.beta(1, 2) * (1 - off), 0.01, 0.99))
        for number, rows in enumerate(results):
            moved = centre + rng.normal(0, 0.1 * off, 2) * radius
            moved = np.clip(moved, 0, (WIDTH - 1, HEIGHT - 1))
            if number == 1:
                moved[0] = WIDTH - 1 - moved[0]
            rle = ellipse(moved, radius)
            rows.append(
                {
                    "category_id": category,
                    "segmentation": rle,
                    "bbox": mask_utils.toBbox(rle).tolist(),
                    "score": score,
                    "foreground_prob": 1 - off / 2,
                }
            )
    return truths, results


def write_scenes(folder: Path, images: int) -> list[Path]:
    """Writes annotations and three results files, and returns their paths."""
    rng = np.random.default_rng(0)
    scenes = [scene(rng) for _ in range(min(images, DISTINCT))]
    ids = range(1, images + 1)
    annotations = [truth | {"image_id": i} for i in ids for truth in scenes[i % len(scenes)][0]]
    truth = {
        "images": [
            {"id": i, "file_name": f"{i}.jpg", "height": HEIGHT, "width": WIDTH} for i in ids
        ],
        "categories": [{"id": k, "name": f"class {k}"} for k in range(1, CLASSES + 1)],
        "annotations": [one | {"id": n} for n, one in enumerate(annotations, 1)],
    }
    paths = [folder / f"{name}.json" for name in ("annotations", "plain", "mirrored", "scaled")]
    paths[0].write_text(json.dumps(truth))
    for number, path in enumerate(paths[1:]):
        with path.open("w") as file:
            rows = (
                row | {"image_id": i} for i in ids for row in scenes[i % len(scenes)][1][number]
            )
            file.write("[" + ",\n".join(map(json.dumps, rows)) + "]")
    return paths


def measured(what: str, function: Callable[[], _T]) -> _T:
    """Prints the time and the processors' time of a step, and the peak memory up to its end."""
    start, cpu = time.perf_counter(), sum(os.times()[:4])
    value = function()
    taken, cpu = time.perf_counter() - start, sum(os.times()[:4]) - cpu
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(
        f"{what:9}{taken:6.1f} s, {cpu:6.1f} s of processors, {memory:.1f} GB at most", flush=True
    )
    return value


def measure(paths: list[Path]) -> None:
    """Prints the time of each step."""
    coco, *results = measured(
        "reading",
        lambda: (load_annotations(paths[0]), *(load_results(path) for path in paths[1:])),
    )
    detections, mirrored, scaled = results
    views = [View("mirrored", mirrored, mirrored=True), View("scaled", scaled)]
    features = measured("features", lambda: features_of(detections, views))
    rescorer = measured(
        "fit", lambda: fit_rescorer(detections, coco, "annotations", views, features=features)
    )
    scores = measured("scores", lambda: rescorer.method.of_features(features))
    print(f"{len(features.names)} features, scores from {scores.min():.3f} to {scores.max():.3f}")


def main() -> None:
    """Writes the files, then measures in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=500, help="COCO's val2017 has 5000")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        paths = write_scenes(Path(name), args.images)
        print(f"{args.images} images x {DETECTIONS} detections, two views", flush=True)
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
            process.submit(measure, paths).result()


if __name__ == "__main__":
    main()
