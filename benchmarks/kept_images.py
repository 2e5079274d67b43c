"""Measures what it costs a test to keep its finished images in a file.

    python -m benchmarks.kept_images [--images N] [--turns N]

An image of 800 x 1333 has 100 masks, as RLEs, with their scores. One side hands it to the metric as
mmengine's test does; the other writes it to the file, reads it back, and hands that to the metric.
Times are of the processor.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.masks_to_results import SHAPE, scene
from msrcnn_mm.engine.adapters.mask_encoder import encode_boxes
from msrcnn_mm.engine.adapters.metric import MaskScoreMetric
from msrcnn_mm.engine.journaled_test.samples import decode_sample, encode_sample
from msrcnn_mm.registration import register_all
from msrcnn_mm.runtime.journal import Journal

MASKS = 100


def data_sample() -> dict[str, Any]:
    """Returns the predictions of an image."""
    logits, boxes = scene(MASKS, SHAPE, "cpu")
    scores = {name: torch.rand(MASKS) for name in ("scores", "mask_ious", "mask_scores")}
    masks = encode_boxes(logits[:, 0].sigmoid(), boxes, *SHAPE, 0.5, whole_image=False)
    labels = torch.randint(80, (MASKS,))
    predicted = dict(bboxes=boxes, labels=labels, masks=masks, **scores)
    return dict(img_id=1, ori_shape=SHAPE, pred_instances=predicted)


def main() -> None:
    """Prints milliseconds an image and the size of its line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--turns", type=int, default=5)
    args = parser.parse_args()
    register_all()
    with tempfile.TemporaryDirectory() as folder:
        truth, path = Path(folder, "truth.json"), Path(folder, "0.jsonl")
        truth.write_text(json.dumps(dict(images=[], annotations=[], categories=[])))
        metric, sample = MaskScoreMetric(ann_file=str(truth), metric="segm"), data_sample()
        taken: dict[str, list[float]] = {"written": [], "read": [], "measured": []}
        for _ in range(args.turns):
            marks = [time.process_time()]
            with Journal(path, {}) as journal:
                for number in range(args.images):
                    journal.append([dict(id=number, sample=encode_sample(sample, whole=False))])
                marks.append(time.process_time())
                size = path.stat().st_size / args.images
                read = [decode_sample(record["sample"]) for record in journal]
                marks.append(time.process_time())
                journal.remove()
            for one in read:
                metric.process(None, [one])
            metric.results.clear()
            spent = np.diff([*marks, time.process_time()])
            for of_part, seconds in zip(taken.values(), spent, strict=True):
                of_part.append(1000 * seconds / args.images)
    for part, times in taken.items():
        low, middle, high = np.quantile(times, (0.25, 0.5, 0.75))
        print(f"{part:10} {middle:.2f} ms an image ({low:.2f} to {high:.2f})")
    print(f"{size / 1000:.1f} kB an image")


if __name__ == "__main__":
    main()
