"""Says whether the scores of masks can be trusted, as one page to open, print or send.

The results may come from any detector: COCO's results format with `score` and, where there are
any, `mask_score`. OUT_DIR gets `report.html`, which needs no network and no other file,
`report.json` with all numbers, and the figures as PNGs.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from pycocotools import mask as mask_utils
from pycocotools.coco import COCO

from msrcnn_mm.coco.annotation_file import load_annotations
from msrcnn_mm.coco.detections import Detection
from msrcnn_mm.coco.results_file import load_results
from msrcnn_mm.errors import UserError
from msrcnn_mm.evaluation.evaluate import evaluate_scores
from msrcnn_mm.evaluation.protocol import coco_protocol
from msrcnn_mm.report.evaluated_detector import ReportModel
from msrcnn_mm.report.page import Report
from msrcnn_mm.report.pictures.gallery import MOST_IMAGES, gallery
from msrcnn_mm.report.wording import count
from msrcnn_mm.report.write import write_report

from .arguments import OneLineParser, number
from .output_paths import writable_folder

TITLE = "Do the mask scores mean what they say?"


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = OneLineParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument(
        "results", metavar="RESULTS.json", type=Path, help="of tools/test.py --out, or alike"
    )
    parser.add_argument(
        "annotations", metavar="ANNOTATIONS.json", type=Path, help="in COCO's format"
    )
    parser.add_argument("out", metavar="OUT_DIR", type=Path, help="folder for the report")
    parser.add_argument(
        "--images", metavar="IMAGE_DIR", type=Path, help="adds a gallery of these images"
    )
    parser.add_argument(
        "--compare",
        metavar="OTHER.json",
        type=Path,
        nargs="+",
        default=[],
        help="results of other models on the same annotations, laid side by side",
    )
    parser.add_argument(
        "--names",
        metavar="NAME",
        nargs="+",
        help="what to call the models; without it the files' names",
    )
    parser.add_argument(
        "--boundary",
        action="store_true",
        help="adds AP with Boundary IoU, which asks for the outline",
    )
    parser.add_argument("--title", default=TITLE, help="of the page")
    parser.add_argument(
        "--gallery",
        type=int,
        default=12,
        metavar="N",
        help=f"images a model, at most {MOST_IMAGES}",
    )
    parser.add_argument(
        "--score-thr",
        type=number,
        default=0.3,
        metavar="T",
        help="least class score of a mask in the gallery",
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="S", help="of the gallery's random picks"
    )
    parser.add_argument(
        "--max-dets",
        type=int,
        default=100,
        metavar="N",
        help="how many detections of a class in an image count; COCO's is 100",
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Reads, evaluates, draws and writes.

    Raises:
        UserError: An input cannot be read or fits no other, or the report cannot be written.
    """
    args = parse_args(argv)
    paths = [args.results, *args.compare]
    names = args.names or _names(paths)
    if len(names) != len(paths):
        given = count(len(paths), "results file")
        raise UserError(f"--names gives {count(len(names), 'name')} for {given}")
    if not 1 <= args.gallery <= MOST_IMAGES:
        raise UserError(f"--gallery is from 1 to {MOST_IMAGES}, not {args.gallery}")
    if len(set(names)) < len(names) or not all(names):
        raise UserError("--names: each model needs a name of its own")
    if args.seed < 0:
        raise UserError(f"--seed is at least 0, not {args.seed}")
    if args.images is not None and not args.images.is_dir():
        raise UserError(f"--images: there is no folder {args.images}")
    coco = load_annotations(args.annotations)
    if args.images is not None:
        for image_id, image in coco.imgs.items():
            if "file_name" not in image:
                raise UserError(f"{args.annotations}: image {image_id} has no 'file_name'")
    protocol = coco_protocol(coco, args.max_dets)
    results = [_results(path, coco) for path in paths]
    writable_folder(args.out, "OUT_DIR")  # before the evaluation, which can take minutes
    models = [
        ReportModel(name, detections, evaluate_scores(coco, detections, protocol, args.boundary))
        for name, detections in zip(names, results, strict=True)
    ]
    galleries = None
    if args.images is not None:
        galleries = [
            gallery(model, coco, args.images, args.gallery, args.score_thr, args.seed)
            for model in models
        ]
    report = Report(args.title, args.annotations.name, models, galleries, args.score_thr)
    print(f"the report is {write_report(report, args.out)}")


def _results(path: Path, coco: COCO) -> list[Detection]:
    detections = load_results(path, coco)
    if not detections:
        raise UserError(f"{path} has no detections: there is nothing to report")
    for detection in detections:  # other frameworks' mask results may have no box
        detection.setdefault("bbox", mask_utils.toBbox(detection["segmentation"]).tolist())
    return detections


def _names(paths: Sequence[Path]) -> list[str]:
    """The files' names, or as much of their paths as tells them apart."""
    names = [path.stem for path in paths]
    return names if len(set(names)) == len(names) else [str(path) for path in paths]
