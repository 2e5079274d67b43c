"""Measures how long the bootstrap intervals of an evaluation take, beside one ranking's AP.

    python -m benchmarks.intervals [--images 5000] [--classes 80]

Draws matches like those of COCO's val2017 (7 instances and 100 masks an image) without any masks,
then computes AP of one ranking on the images and on each of 1,000 sets of images drawn with
replacement. It checks that images drawn once give the AP itself.
"""

import argparse
import resource
import time

import numpy as np

from msrcnn_mm.evaluation.average_precision import curves
from msrcnn_mm.evaluation.bootstrap import RESAMPLES, draw_images, resampled_aps
from msrcnn_mm.evaluation.overlaps import Overlaps
from msrcnn_mm.evaluation.protocol import Protocol

INSTANCES, DETECTIONS = 7, 100


def random_overlaps(images: int, classes: int) -> Overlaps:
    """Returns overlaps in which a quarter of the detections fits an instance of its image."""
    rng = np.random.default_rng(0)
    of_instance = rng.integers(classes, size=images * INSTANCES)
    instance_images = np.repeat(np.arange(images), INSTANCES)
    of_detection = rng.integers(classes, size=images * DETECTIONS)
    detection_images = np.repeat(np.arange(images), DETECTIONS)
    fits = rng.integers(INSTANCES, size=images * DETECTIONS) + detection_images * INSTANCES
    near = rng.random(images * DETECTIONS) < 0.25
    of_detection[near] = of_instance[fits[near]]

    instance_order = np.lexsort((instance_images, of_instance))
    order = np.lexsort((detection_images, of_detection))
    place = np.argsort(instance_order)
    fitting = np.flatnonzero(near[order])
    groups = of_detection[order] * images + detection_images[order]
    total = len(of_instance)
    return Overlaps(
        detections=order,
        groups=groups,
        images=detection_images[order],
        bounds=np.searchsorted(groups, np.arange(classes + 1) * images),
        areas=np.full(len(order), 5000.0),
        instances=[],
        instance_classes=of_instance[instance_order],
        instance_images=instance_images[instance_order],
        instance_areas=np.full(total, 5000.0),
        crowds=rng.random(total) < 0.01,
        findable=np.ones(total, bool),
        pairs=np.stack([fitting, place[fits[order][fitting]]], axis=1),
        ious=rng.random(len(fitting)),
    )


def main() -> None:
    """Prints the times in seconds and the peak memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=5000, help="COCO's val2017 has 5000")
    parser.add_argument("--classes", type=int, default=80)
    args = parser.parse_args()
    overlaps = random_overlaps(args.images, args.classes)
    scores = np.random.default_rng(1).random(len(overlaps.detections))
    protocol = Protocol(
        range(args.classes), range(args.images), (1, 10, 100), 100, np.linspace(0.5, 0.95, 10)
    )
    print(f"{args.images} images x {DETECTIONS} detections, {args.classes} classes")
    start = time.perf_counter()
    ap = curves(overlaps, scores, protocol).columns()[0]
    plain = time.perf_counter() - start
    start = time.perf_counter()
    resampled_aps(overlaps, scores, protocol, draw_images(args.images))
    taken = time.perf_counter() - start
    once = resampled_aps(overlaps, scores, protocol, np.ones((args.images, 1)))[0]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"one ranking: AP {plain:.1f} s, AP of {RESAMPLES} resamples {taken:.1f} s")
    print(
        f"{memory:.1f} GB at most; the APs are {'equal' if abs(once - ap) < 1e-12 else 'DIFFERENT'}"
    )


if __name__ == "__main__":
    main()
