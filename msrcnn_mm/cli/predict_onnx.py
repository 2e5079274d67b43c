"""Predicts images by an exported detector, without torch and MMDetection.

    python -m msrcnn_mm predict INPUT MODEL.onnx --out FOLDER

FOLDER gets results.json, every detection with all of its scores, and images.json with the images'
ids, names and sizes, the categories, and the images that were skipped.
"""

import argparse
from collections.abc import Sequence

from msrcnn_mm.errors import UserError
from msrcnn_mm.runtime.detector import OnnxDetector
from msrcnn_mm.runtime.images import ImageReader
from msrcnn_mm.runtime.inputs import Image, find_images
from msrcnn_mm.runtime.journal import Record, file_hash
from msrcnn_mm.runtime.run import begin, finish, predict_images, record_of

from .onnx_arguments import OnnxArgumentParser
from .output_paths import writable_folder
from .predict_arguments import INPUT, add_outputs, outputs_of, print_summary


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = OnnxArgumentParser("predict", __doc__)
    parser.add_argument("input", help=INPUT)
    parser.add_model()
    add_outputs(parser)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Predicts the images and writes their results.

    Images that an unfinished run of the same settings has finished are not predicted again.

    Raises:
        UserError: An input, the model or the re-scorer has a mistake, a package is missing, an
            output is there already or cannot be written, or no image can be predicted.
    """
    args = parse_args(argv)
    outputs, choice = outputs_of(args)
    source = find_images(args.input, outputs.pictures)
    writable_folder(outputs.folder, "--out")
    outputs.check(args.overwrite)
    detector = OnnxDetector(args.model, args.rescorer)
    detector.check_score(args.score_by)

    def predict(images: Sequence[Image], numbers: Sequence[int]) -> list[Record]:
        return [_record(detector, *pair) for pair in zip(images, numbers, strict=True)]

    settings = {
        "model": file_hash(args.model),
        "rescorer": None if args.rescorer is None else file_hash(args.rescorer),
        "inputs": source.fingerprint(),
    }
    categories = detector.settings.categories
    with begin(outputs, settings, args.overwrite) as journal:
        predict_images(source, ImageReader(), predict, 1, journal)
        summary = finish(outputs, journal, categories, choice, detector.rescorer)
    print_summary(outputs, summary)


def _record(detector: OnnxDetector, image: Image, number: int) -> Record:
    """Returns the record of an image, which is skipped if it cannot be predicted."""
    if image.pixels is None:
        return record_of(image, number, None)
    try:
        return record_of(image, number, detector.predict(image.pixels, number))
    except UserError as error:
        return record_of(image._replace(reason=f"{image.name}: {error}"), number, None)
