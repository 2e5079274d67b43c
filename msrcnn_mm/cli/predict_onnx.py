"""Predicts images by an exported detector, without torch and MMDetection.

    python -m msrcnn_mm predict INPUT MODEL.onnx --out FOLDER

FOLDER gets results.json, every detection with all of its scores, and images.json with the images'
ids, names and sizes, the categories, and the images that were skipped.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from tqdm import tqdm

from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.coco.json_files import write_json
from msrcnn_mm.coco.results_file import write_results
from msrcnn_mm.errors import UserError, warn
from msrcnn_mm.runtime.detector import OnnxDetector
from msrcnn_mm.runtime.images import find_images, read_image

from .arguments import OneLineParser
from .output_paths import writable_folder


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = OneLineParser(
        prog="python -m msrcnn_mm predict",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("input", help="image, or folder of images")
    parser.add_argument("model", metavar="MODEL.onnx", help="file of the command export")
    parser.add_argument(
        "--out", default="predictions", metavar="FOLDER", help="folder to write [predictions]"
    )
    parser.add_argument(
        "--rescorer",
        metavar="FILE",
        help="add rescored scores by a file of python -m msrcnn_mm rescore fit",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace the outputs of another run"
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Predicts the images and writes their results.

    Raises:
        UserError: An input, the model or the re-scorer has a mistake, a package is missing, an
            output is there already or cannot be written, or no image can be read.
    """
    args = parse_args(argv)
    images = find_images(args.input)
    folder = writable_folder(args.out, "--out")
    files = [folder / name for name in ("results.json", "images.json")]
    found = [path for path in files if path.exists()]
    if found and not args.overwrite:
        raise UserError(f"{found[0]}: exists: name another folder by --out, or add --overwrite")
    detector = OnnxDetector(args.model, args.rescorer)
    parts: list[Detections] = []
    read: list[dict[str, Any]] = []
    skipped: list[dict[str, str]] = []
    progress = tqdm(images.items(), "predict", unit="image", disable=not sys.stderr.isatty())
    for number, (name, path) in enumerate(progress, 1):
        try:
            pixels = read_image(path)
            parts.append(detector.predict(pixels, number))
        except UserError as error:
            warn(f"{error}: skipped")
            skipped.append(dict(file_name=name, reason=str(error)))
            continue
        height, width = pixels.shape[:2]
        read.append(dict(id=number, file_name=name, width=width, height=height))
    if not read:
        raise UserError(f"none of {len(skipped)} images can be predicted")
    detections = Detections.concatenate(parts)
    write_results(detections, files[0])
    categories = detector.settings.categories
    write_json(dict(images=read, categories=categories, skipped=skipped), files[1])
    if detector.rescorer is not None and len(detections):
        difference = detector.rescorer.detector_difference(detections)
        if difference:
            warn(f"{difference}; fit one on results of this model")
    rest = f", {len(skipped)} skipped" if skipped else ""
    print(f"{files[0]}: {len(detections)} detections in {len(read)} images{rest}")
