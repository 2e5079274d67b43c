"""Compares exported detectors with PyTorch: detections, AP, and time on a CPU.

    python -m benchmarks.onnx_runtime CONFIG CHECKPOINT ANNOTATIONS.json IMAGES \
        MODEL.onnx [MODEL.onnx ...] [--count 100] [--threads 1]

Each image goes from its pixels to detections with RLEs, by PyTorch and by each model in turn.
Detections of an image are paired by their boxes, those of a class that overlap most; pairs of an
IoU below 0.9 do not count as the same. AP is that of COCO over these images, with as many
detections an image as the detector gives; its difference from PyTorch's has a 95% interval over
images. The time is the ratio of each image's, of which the median counts: both are measured within
seconds on the same machine.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pycocotools.mask as mask_utils
import torch
from scipy.optimize import linear_sum_assignment
from tqdm import tqdm

from msrcnn_mm.coco.annotations import load_annotations
from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.engine.adapters.inferencer import MaskScoringInferencer
from msrcnn_mm.engine.adapters.predictions import to_arrays, to_detections
from msrcnn_mm.engine.config.file import load_config
from msrcnn_mm.evaluation.evaluate import evaluate_scores
from msrcnn_mm.evaluation.evaluation_result import ScoreEvaluation
from msrcnn_mm.evaluation.intervals import ap_difference
from msrcnn_mm.evaluation.protocol import REFERENCES, coco_protocol, words
from msrcnn_mm.runtime.detector import OnnxDetector
from msrcnn_mm.runtime.images import read_image

_SAME = 0.9
_SCORES = ("class_scores", "mask_ious", "mask_scores", "foreground_probs")


class TorchDetector:
    """The detector in PyTorch, behind the same call as :class:`OnnxDetector`."""

    def __init__(self, config: str, checkpoint: str, categories: list[dict]) -> None:
        self._inferencer = MaskScoringInferencer(
            load_config(config, None, None, "none"), checkpoint, device="cpu", show_progress=False
        )
        self._ids = [category["id"] for category in categories]

    def predict(self, pixels: np.ndarray, image_id: int) -> Detections:
        """Predicts an image."""
        inputs = [(pixels, self._inferencer.pipeline(pixels))]
        (sample,) = self._inferencer.forward(self._inferencer.collate_fn(inputs)[1])
        return to_detections(to_arrays(sample.pred_instances), image_id, self._ids)


def differences(mine: Detections, theirs: Detections) -> tuple[int, dict[str, np.ndarray]]:
    """Returns how many detections of an image have no counterpart, and how the others differ.

    Returns:
        The number, and (P,) differences of the pairs by name: of scores, of the boxes' corners in
        pixels, and 1 - IoU of the masks.
    """
    if not (len(mine) and len(theirs)):
        return len(mine) + len(theirs), {}
    ious = np.array(mask_utils.iou(mine.boxes, theirs.boxes, [0] * len(theirs)))
    same = np.array(mine.category_ids)[:, None] == np.array(theirs.category_ids)
    rows, columns = linear_sum_assignment(np.where(same, ious, 0), maximize=True)
    good = (ious * same)[rows, columns] >= _SAME
    a, b = mine.take(rows[good].tolist()), theirs.take(columns[good].tolist())
    found = {
        name: np.abs(getattr(a, name) - getattr(b, name))
        for name in _SCORES
        if getattr(a, name) is not None
    }
    corners = [np.column_stack((d.boxes[:, :2], d.boxes[:, :2] + d.boxes[:, 2:])) for d in (a, b)]
    found["boxes (pixels)"] = np.abs(corners[0] - corners[1]).max(axis=1, initial=0)
    pairs = zip(a.masks, b.masks, strict=True)
    found["1 - IoU of masks"] = np.array(  # two empty masks are the same, of IoU 0
        [0 if m == n else 1 - mask_utils.iou([m], [n], [0])[0, 0] for m, n in pairs]
    )
    return len(mine) + len(theirs) - 2 * len(a), found


def aps(own: ScoreEvaluation, torchs: ScoreEvaluation) -> list[str]:
    """Returns a line for each score: AP, and by how much it differs from PyTorch's."""
    lines = []
    for name, ranking in own.rankings.items():
        if name not in REFERENCES:
            gain = ap_difference(own, name, torchs, name)
            assert gain is not None
            value, *ends = (
                "none" if v is None else f"{100 * v:+.2f}"
                for v in (gain.value, gain.low, gain.high)
            )
            lines.append(
                f"  AP by {words(name)} {100 * ranking.ap['AP']:.2f}, {value} (95% interval"
                f" {ends[0]} to {ends[1]})"
            )
    return lines


def main() -> None:
    """Prints the time, the AP and the differences of each model."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config")
    parser.add_argument("checkpoint")
    parser.add_argument("annotations", type=Path)
    parser.add_argument("images", type=Path)
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--count", type=int, default=100, help="images, spread over all")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    coco = load_annotations(args.annotations)
    onnx = {path.stem: OnnxDetector(path, threads=args.threads) for path in args.models}
    settings = next(iter(onnx.values())).settings
    detectors = {
        "PyTorch": TorchDetector(args.config, args.checkpoint, settings.categories),
        **onnx,
    }
    ids = sorted(coco.imgs)
    ids = ids[:: max(1, len(ids) // args.count)][: args.count]
    parts: dict[str, list[Detections]] = {name: [] for name in detectors}
    seconds: dict[str, list[float]] = {name: [] for name in detectors}
    for image_id in tqdm(ids, mininterval=60):
        pixels = read_image(args.images / coco.imgs[image_id]["file_name"])
        for name, detector in detectors.items():
            start = time.perf_counter()
            parts[name].append(detector.predict(pixels, image_id))
            seconds[name].append(time.perf_counter() - start)
    protocol = replace(coco_protocol(coco, settings.most), image_ids=ids)
    evaluations = {
        name: evaluate_scores(coco, Detections.concatenate(own), protocol)
        for name, own in parts.items()
    }
    print(f"{len(ids)} images, {args.threads} thread(s)")
    for name, own in parts.items():
        taken = np.array(seconds[name])
        ratio = np.median(np.array(seconds["PyTorch"]) / taken)
        print(
            f"{name}: {1000 * np.median(taken):.0f} ms an image, PyTorch {ratio:.2f} times that;"
            f" {sum(map(len, own))} detections"
        )
        print("\n".join(aps(evaluations[name], evaluations["PyTorch"])))
        if name == "PyTorch":
            continue
        compared = [differences(a, b) for a, b in zip(own, parts["PyTorch"], strict=True)]
        print(f"  without counterpart: {sum(count for count, _ in compared)}")
        for key in dict.fromkeys(key for _, one in compared for key in one):
            values = np.concatenate([one[key] for _, one in compared if key in one])
            if len(values):
                middle, high, most = np.quantile(values, [0.5, 0.99, 1])
                print(f"  {key}: median {middle:.1e}, 99% {high:.1e}, most {most:.1e}")


if __name__ == "__main__":
    main()
