"""Compares large images as a whole, in tiles, and in tiles whose cut masks are joined.

    python -m benchmarks.tiles CONFIG CHECKPOINT ANNOTATIONS.json IMAGES [--side 512] \
        [--least 1000] [--score-thr 0.3] [--max-dets 1000]

The images are those of ANNOTATIONS.json whose longer side has at least so many pixels. A mask
ends at a seam if its box does, at an edge of a tile inside the image. Masks of the whole image that
do so by chance are counted likewise.
"""

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
import pycocotools.mask as mask_utils
from mmengine.registry import init_default_scope
from pycocotools.coco import COCO

from msrcnn_mm.coco.annotations import load_annotations
from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.engine.config.file import load_config
from msrcnn_mm.engine.predict.predictor import Predictor
from msrcnn_mm.engine.predict.reader import PipelineReader
from msrcnn_mm.engine.predict.tiles import Tile, in_image, joined, tiles_of
from msrcnn_mm.evaluation.average_precision import curves
from msrcnn_mm.evaluation.overlaps import find_overlaps
from msrcnn_mm.evaluation.protocol import coco_protocol, words
from msrcnn_mm.evaluation.rankings import filled_scores
from msrcnn_mm.evaluation.summaries import text_table
from msrcnn_mm.processes import progress
from msrcnn_mm.runtime.chosen import Choice
from msrcnn_mm.runtime.inputs import Image

WAYS = ("whole", "tiles apart", "tiles joined")


def find(model: Predictor, image: Image, image_id: int, side: int) -> list[Detections]:
    """Returns an image's detections in each way."""
    assert image.pixels is not None
    height, width = image.pixels.shape[:2]
    tiles = tiles_of(height, width, side)
    found = []
    for left, top, right, bottom in (Tile(0, 0, width, height), *tiles):
        crop = image._replace(pixels=image.pixels[top:bottom, left:right])
        (record,) = model.predict([crop], [image_id])
        found.append(Detections.from_rows(record["detections"]))
    whole, *parts = found
    moved = [in_image(*pair, height, width) for pair in zip(tiles, parts, strict=True)]
    return [whole, Detections.concatenate(moved), joined(tiles, parts, height, width)]


def ends_at_seam(coco: COCO, detections: Detections, side: int) -> int:
    """Returns the number of masks that end at a seam of their image's tiles."""
    many = 0
    boxes = np.array([mask_utils.toBbox(mask) for mask in detections.masks or ()])
    image_ids = np.array(detections.image_ids)
    for image_id, image in coco.imgs.items():
        own = boxes[image_ids == image_id].reshape(-1, 4)
        low, high = own[:, :2], own[:, :2] + own[:, 2:]
        size = np.array([image["width"], image["height"]])
        ends = np.zeros(len(own), bool)
        for tile in tiles_of(image["height"], image["width"], side):
            start, stop = np.array(tile).reshape(2, 2)
            within = (low < stop) & (high > start)
            at = ((low == start) & (start > 0)) | ((high == stop) & (stop < size))
            ends |= (at & within.all(axis=1)[:, None]).any(axis=1)
        many += int(ends.sum())
    return many


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config")
    parser.add_argument("checkpoint")
    parser.add_argument("annotations", type=Path)
    parser.add_argument("images", type=Path)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--least", type=int, default=1000)
    parser.add_argument("--score-thr", type=float, default=0.3)
    parser.add_argument("--max-dets", type=int, default=1000)
    args = parser.parse_args()
    coco = load_annotations(args.annotations)
    large = {
        i: one for i, one in coco.imgs.items() if max(one["height"], one["width"]) >= args.least
    }
    coco.imgs = large
    coco.imgToAnns = defaultdict(list, {i: coco.imgToAnns.get(i, []) for i in large})
    coco.anns = {one["id"]: one for own in coco.imgToAnns.values() for one in own}
    coco.dataset = coco.dataset | dict(images=[*large.values()], annotations=[*coco.anns.values()])

    init_default_scope("mmdet")
    config = load_config(args.config, None, None, "none")
    model = Predictor(config, args.checkpoint, None, Choice(None, args.score_thr), None)
    reader = PipelineReader(model.loader)
    found = []
    for image_id, image in progress(large.items(), "images"):
        file = str(args.images / image["file_name"])
        found.append(find(model, reader.read(image["file_name"], file), image_id, args.side))
    rows = []
    for way, of_images in zip(WAYS, zip(*found, strict=True), strict=True):
        detections = Detections.concatenate(of_images)
        protocol = coco_protocol(coco, args.max_dets)
        overlaps = find_overlaps(coco, detections, protocol)
        scores = filled_scores(detections)
        aps = {
            name: curves(overlaps, one[overlaps.detections], protocol).ap()
            for name, one in scores.items()
        }
        sure = detections.take(np.flatnonzero(detections.class_scores >= args.score_thr).tolist())
        rows.append(
            [
                way,
                *(f"{100 * ap:.1f}" for ap in aps.values()),
                len(sure),
                ends_at_seam(coco, sure, args.side),
            ]
        )
    header = ["", *(f"AP by {words(name)}" for name in scores), "masks", "end at a seam"]
    print(f"{len(large)} images, {len(coco.anns)} objects, tiles of {args.side} pixels")
    print(text_table(header, [[str(cell) for cell in row] for row in rows]))


if __name__ == "__main__":
    main()
