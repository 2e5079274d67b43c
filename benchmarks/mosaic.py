"""Makes one large annotated image of many small ones.

    python -m benchmarks.mosaic ANNOTATIONS.json IMAGES OUT [--side 10000] [--zoom 2] [--seed 0]

Images are drawn at random, enlarged, and set side by side in rows, each cut to the lowest of its
row. ``OUT`` gets ``mosaic.png`` and ``mosaic.json``, its annotations, with the image id 1, which
``predict`` gives to its only image.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pycocotools.mask as mask_utils
from numpy.typing import NDArray

from msrcnn_mm.coco.annotations import load_annotations
from msrcnn_mm.coco.detections import Rle
from msrcnn_mm.coco.runs import moved


def _encoded(mask: NDArray[np.uint8]) -> Rle:
    rle = mask_utils.encode(mask)
    return {"size": list(rle["size"]), "counts": rle["counts"].decode()}


def main() -> None:
    """Writes the image and its annotations."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("annotations", type=Path)
    parser.add_argument("images", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--side", type=int, default=10_000)
    parser.add_argument("--zoom", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    coco = load_annotations(args.annotations)
    random, side, zoom = np.random.default_rng(args.seed), args.side, args.zoom
    canvas = np.zeros((side, side, 3), np.uint8)
    objects: list[dict[str, Any]] = []
    top = 0
    while top < side:
        row, left = [], 0
        while left < side:
            image = coco.imgs[random.choice(coco.getImgIds())]
            row.append((left, image))
            left += zoom * image["width"]
        height = min(zoom * min(image["height"] for _, image in row), side - top)
        for left, image in row:
            pixels = cv2.imread(str(args.images / image["file_name"]))
            pixels = cv2.resize(pixels, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_CUBIC)
            width = min(pixels.shape[1], side - left)
            canvas[top : top + height, left : left + width] = pixels[:height, :width]
            for annotation in coco.imgToAnns[image["id"]]:
                mask = coco.annToMask(annotation).repeat(zoom, 0).repeat(zoom, 1)
                shown = np.asfortranarray(mask[:height, :width])
                (rle,) = moved([_encoded(shown)], left, top, side, side)
                if area := int(mask_utils.area(rle)):
                    objects.append(
                        annotation
                        | dict(id=len(objects) + 1, image_id=1, segmentation=rle, area=area)
                        | dict(bbox=mask_utils.toBbox(rle).tolist())
                    )
        top += height
    args.out.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(args.out / "mosaic.png"), canvas, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    content = dict(
        images=[dict(id=1, file_name="mosaic.png", width=side, height=side)],
        annotations=objects,
        categories=coco.dataset["categories"],
    )
    (args.out / "mosaic.json").write_text(json.dumps(content))
    print(f"{len(objects)} objects in {side} x {side} pixels")


if __name__ == "__main__":
    main()
