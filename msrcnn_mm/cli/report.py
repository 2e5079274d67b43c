"""Writes a report on whether the scores of masks can be trusted, as one HTML page.

The results may come from any detector: a results file in COCO's format with `score` and, if the
detector has them, `mask_score`, `mask_iou` and `foreground_prob`. OUT_DIR gets `report.html`, which
needs no network and no other file, `report.json` with all numbers, and the figures as PNG files.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from msrcnn_mm.coco.annotations import load_annotations
from msrcnn_mm.errors import UserError
from msrcnn_mm.evaluation.evaluate import evaluate_scores
from msrcnn_mm.evaluation.protocol import coco_protocol
from msrcnn_mm.report.evaluated_detector import EvaluatedDetector
from msrcnn_mm.report.number_format import count
from msrcnn_mm.report.page import Report
from msrcnn_mm.report.pictures.gallery import MAX_IMAGES, make_gallery
from msrcnn_mm.report.pictures.image_files import check_file_names
from msrcnn_mm.report.write import write_report

from .arguments import OneLineParser, add_inputs, number
from .output_paths import writable_folder
from .results import read_results

TITLE = "Do the mask scores mean what they say?"


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = OneLineParser(
        prog="python -m msrcnn_mm report",
        description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add_inputs(parser)
    parser.add_argument("out", metavar="OUT_DIR", type=Path, help="folder for the report")
    parser.add_argument(
        "--images", metavar="IMAGE_DIR", type=Path, help="add a gallery of images in this folder"
    )
    parser.add_argument(
        "--compare",
        metavar="OTHER.json",
        type=Path,
        nargs="+",
        default=[],
        help="results of other detectors on the same annotations, shown side by side",
    )
    parser.add_argument(
        "--names",
        metavar="NAME",
        nargs="+",
        help="names of the detectors; by default those of the results files",
    )
    parser.add_argument(
        "--boundary",
        action="store_true",
        help="add AP with Boundary IoU, which measures the outline",
    )
    parser.add_argument("--title", default=TITLE, help="title of the page")
    parser.add_argument(
        "--gallery",
        type=int,
        default=12,
        metavar="N",
        help=f"number of images for each detector, at most {MAX_IMAGES}",
    )
    parser.add_argument(
        "--score-thr",
        type=number,
        default=0.3,
        metavar="T",
        help="least class score of a mask in the gallery",
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="S", help="seed of the gallery's random choice"
    )
    parser.add_argument(
        "--max-dets",
        type=int,
        default=100,
        metavar="N",
        help="greatest number of detections of a class in an image that count; COCO's is 100",
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Evaluates the results and writes the report.

    Raises:
        UserError: An input cannot be read or does not fit the others, or the report cannot be
            written.
    """
    args = parse_args(argv)
    paths = [args.results, *args.compare]
    names = args.names or _names(paths)
    _check_options(args, names, len(paths))
    coco = load_annotations(args.annotations)
    if args.images is not None:
        check_file_names(coco, args.annotations, args.images)
    protocol = coco_protocol(coco, args.max_dets)
    results = [read_results(path, coco) for path in paths]
    for path, detections in zip(paths, results, strict=True):
        if not len(detections):
            raise UserError(f"{path} has no detections: there is nothing to report")
    writable_folder(args.out, "OUT_DIR")  # before the evaluation, which can take minutes
    detectors = [
        EvaluatedDetector(
            name, detections, evaluate_scores(coco, detections, protocol, args.boundary)
        )
        for name, detections in zip(names, results, strict=True)
    ]
    galleries = None
    if args.images is not None:
        galleries = [
            make_gallery(detector, coco, args.images, args.gallery, args.score_thr, args.seed)
            for detector in detectors
        ]
    report = Report(args.title, args.annotations.name, detectors, galleries, args.score_thr)
    print(f"wrote the report {write_report(report, args.out)}")


def _check_options(args: argparse.Namespace, names: Sequence[str], detectors: int) -> None:
    """Refuses options out of range, or that do not fit the others, before any file is read."""
    if len(names) != detectors:
        given = f"{count(len(names), 'name')} for {count(detectors, 'results file')}"
        raise UserError(f"--names gives {given}: give one for each")
    if len(set(names)) < len(names) or not all(names):
        raise UserError("--names: each detector needs a name of its own")
    if not 1 <= args.gallery <= MAX_IMAGES:
        raise UserError(f"--gallery must be from 1 to {MAX_IMAGES}, not {args.gallery}")
    if args.seed < 0:
        raise UserError(f"--seed must be an integer >= 0, not {args.seed}")
    if args.images is not None and not args.images.is_dir():
        raise UserError(f"--images: there is no folder {args.images}")


def _names(paths: Sequence[Path]) -> list[str]:
    """Returns the files' names without suffix, or their paths if two names are equal."""
    names = [path.stem or str(path) for path in paths]
    return names if len(set(names)) == len(names) else [str(path) for path in paths]
