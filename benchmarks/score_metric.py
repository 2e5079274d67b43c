"""Compares the time of our evaluation of mask scores with that of pycocotools.

    python -m benchmarks.score_metric [--images 5000]

Writes random scenes like COCO's (640 x 480 pixels, 80 classes, 7 instances and 100 masks an image)
to files. Two processes evaluate them: evaluate_scores, with four rankings, calibration, LRP and the
quality of s_iou, and pycocotools, with one ranking. Both times include reading the files.
"""

import argparse
import contextlib
import io
import json
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pycocotools.mask as mask_utils
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from msrcnn_mm.coco.annotations import load_annotations
from msrcnn_mm.coco.results_file import load_results
from msrcnn_mm.evaluation.evaluate import evaluate_scores

HEIGHT, WIDTH, CLASSES = 480, 640, 80
INSTANCES, DETECTIONS = 7, 100


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


def write_scenes(folder: Path, images: int) -> None:
    """Writes ``gt.json`` and ``results.json`` with hits, near misses and false alarms."""
    rng = np.random.default_rng(0)
    annotations: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for image_id in range(1, images + 1):
        centres = rng.uniform((0, 0), (WIDTH, HEIGHT), (INSTANCES, 2))
        radii = np.exp(rng.uniform(np.log(8), np.log(150), (INSTANCES, 2)))
        classes = rng.choice(rng.integers(1, CLASSES + 1, 3), INSTANCES)
        for centre, radius, category_id in zip(centres, radii, classes, strict=True):
            rle = ellipse(centre, radius)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": int(category_id),
                    "segmentation": rle,
                    "area": int(mask_utils.area(rle)),
                    "bbox": mask_utils.toBbox(rle).tolist(),
                    "iscrowd": int(rng.random() < 0.01),
                }
            )
        for _ in range(DETECTIONS):
            near = rng.integers(INSTANCES)
            off = rng.choice([0.05, 0.2, 0.8])
            centre = centres[near] + rng.normal(0, off, 2) * radii[near]
            rle = ellipse(centre, radii[near] * np.exp(rng.normal(0, off, 2)))
            right = rng.random() < 0.7
            score, mask_iou = rng.random(2).tolist()
            results.append(
                {
                    "image_id": image_id,
                    "category_id": int(classes[near] if right else rng.integers(1, CLASSES + 1)),
                    "segmentation": rle,
                    "score": score,
                    "mask_iou": mask_iou,
                    "mask_score": score * mask_iou,
                    "foreground_prob": 0.5 + mask_iou / 2,
                }
            )
    truth = {
        "images": [
            {"id": i, "file_name": f"{i}.jpg", "height": HEIGHT, "width": WIDTH}
            for i in range(1, images + 1)
        ],
        "categories": [{"id": k, "name": f"class {k}"} for k in range(1, CLASSES + 1)],
        "annotations": annotations,
    }
    (folder / "gt.json").write_text(json.dumps(truth))
    (folder / "results.json").write_text(json.dumps(results))


def ours(folder: Path) -> float:
    """Returns AP by class score; computes everything else, too."""
    start = time.perf_counter()
    coco = load_annotations(folder / "gt.json")
    results = load_results(folder / "results.json", coco)
    print(f"  reading and checking the files {time.perf_counter() - start:.1f} s")
    return evaluate_scores(coco, results).rankings["class_score"].ap["AP"] or 0


def theirs(folder: Path) -> float:
    """Returns pycocotools' AP by class score."""
    start = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(folder / "gt.json"))
        results = coco.loadRes(str(folder / "results.json"))
    print(f"  reading the files {time.perf_counter() - start:.1f} s")
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(coco, results, "segm")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return float(evaluation.stats[0])


def measure(function: Callable[[Path], float], folder: Path) -> tuple[float, float, float]:
    """Returns a function's value, its time in seconds and the peak memory of this process in GB."""
    start = time.perf_counter()
    value = function(folder)
    taken = time.perf_counter() - start
    return value, taken, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def main() -> None:
    """Runs each in its own process and prints the ratio of the times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=500, help="COCO's val2017 has 5000")
    args = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_scenes(folder, args.images)
        print(f"{args.images} images x {DETECTIONS} detections")
        times, aps = [], []
        for label, function in (("evaluate_scores", ours), ("pycocotools", theirs)):
            with ProcessPoolExecutor(1, context) as process:
                ap, taken, memory = process.submit(measure, function, folder).result()
            print(f"{label}: {taken:.1f} s, {memory:.1f} GB at most, AP by class score {ap:.6f}")
            times.append(taken)
            aps.append(ap)
    same = "equal" if aps[0] == aps[1] else "DIFFERENT"
    print(f"ratio of the times {times[0] / times[1]:.2f}; the APs are {same}")


if __name__ == "__main__":
    main()
