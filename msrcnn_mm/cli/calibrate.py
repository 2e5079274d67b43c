"""Brings scores nearer to the IoU they should say: fits on one set of images, applies to another.

    calibrate.py fit VAL.json VAL_ANNOTATIONS.json CALIBRATION.json
    calibrate.py apply TEST.json TEST_ANNOTATIONS.json CALIBRATION.json CALIBRATED.json

The calibration is a small JSON file. tools/test.py --calibration and a config's
model.test_cfg.calibration take it, too.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from pycocotools.coco import COCO

from msrcnn_mm.coco.annotation_file import load_annotations
from msrcnn_mm.coco.detections import Detection
from msrcnn_mm.coco.json_files import write_json
from msrcnn_mm.coco.results_file import load_results
from msrcnn_mm.evaluation.evaluate import evaluate_scores
from msrcnn_mm.evaluation.protocol import (
    CLASS_SCORE,
    MASK_SCORE,
    OF_DETECTORS,
    Protocol,
    coco_protocol,
)
from msrcnn_mm.evaluation.score_table import score_table
from msrcnn_mm.rescoring.calibration_file import METHODS, read_calibration
from msrcnn_mm.rescoring.fitting import add_calibrated_scores, fit_calibration

from .arguments import OneLineParser
from .output_paths import refuse_inputs

FEW = 100  # detections


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = OneLineParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="fit|apply")
    fit = commands.add_parser("fit", help="make a calibration of results and their annotations")
    apply = commands.add_parser("apply", help="add calibrated scores to results, and measure them")
    for command in (fit, apply):
        command.add_argument(
            "results", metavar="RESULTS.json", help="of tools/test.py --out, or alike"
        )
        command.add_argument("annotations", metavar="ANNOTATIONS.json", help="in COCO's format")
        command.add_argument("calibration", metavar="CALIBRATION.json")
    fit.add_argument(
        "--method",
        choices=METHODS,
        default="isotonic",
        help="isotonic: any rising curve; temperature: one number; exponents: a power of each"
        " factor of the score, which alone can change the ranking [isotonic]",
    )
    fit.add_argument(
        "--score",
        choices=OF_DETECTORS,
        help="which to calibrate [mask_score where the results have it, or class_score]",
    )
    apply.add_argument(
        "out", metavar="OUT.json", type=Path, help="the results with calibrated_score"
    )
    apply.add_argument(
        "--same-images",
        action="store_true",
        help="measure on images that the calibration was fitted on, where it looks too good",
    )
    for command in (fit, apply):
        command.add_argument(
            "--max-dets",
            type=int,
            default=100,
            metavar="N",
            help="how many detections of a class in an image count [100, as in COCO]",
        )
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Fits or applies.

    Raises:
        UserError: An input cannot be read or fits no other, or the output cannot be written.
    """
    args = parse_args(argv)
    inputs = [args.results, args.annotations]
    if args.command == "fit":
        refuse_inputs(args.calibration, "CALIBRATION", *inputs)
    else:
        refuse_inputs(args.out, "OUT", *inputs, args.calibration)
    coco = load_annotations(args.annotations)
    detections = load_results(args.results, coco)
    protocol = coco_protocol(coco, args.max_dets)
    if args.command == "fit":
        fit(args, coco, detections, protocol)
    else:
        apply(args, coco, detections, protocol)


def fit(
    args: argparse.Namespace, coco: COCO, detections: list[Detection], protocol: Protocol
) -> None:
    """Writes a calibration."""
    name = Path(args.annotations).name
    has_mask_scores = any("mask_score" in d for d in detections)
    score = args.score or (MASK_SCORE if has_mask_scores else CLASS_SCORE)
    calibration = fit_calibration(args.method, score, detections, coco, name, protocol)
    calibration.write(args.calibration)
    words = score.replace("_", " ")
    print(
        f"{args.calibration}: {calibration.calibrator.describe()} of the {words}, fitted on"
        f" {calibration.detections:,} detections in {len(calibration.images):,} images"
    )
    if calibration.detections < FEW:
        print(f"note: {calibration.detections:,} are few; some hundreds make a curve to rely on")
    print("what it is worth only other images can tell: calibrate.py apply, or tools/test.py")
    print(f"    --calibration {args.calibration}")


def apply(
    args: argparse.Namespace, coco: COCO, detections: list[Detection], protocol: Protocol
) -> None:
    """Writes the results with calibrated scores, and prints what all scores are worth."""
    calibration = read_calibration(args.calibration)
    if not args.same_images:
        calibration.refuse_same_images(coco)
    calibrated = add_calibrated_scores(calibration, detections)
    write_json(calibrated, args.out)
    print(score_table(evaluate_scores(coco, calibrated, protocol)))
    print(f"{args.out}: {len(calibrated):,} detections with calibrated_score")
