"""Calibrates scores: fits a curve from a score to the IoU, and applies it to other results.

    python -m msrcnn_mm calibrate fit VAL.json VAL_ANNOTATIONS.json CALIBRATION.json
    python -m msrcnn_mm calibrate apply TEST.json TEST_ANNOTATIONS.json CALIBRATION.json OUT.json

The calibration is a small JSON file. The option --calibration of the test command and the setting
model.test_cfg.calibration of a config take it, too.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from pycocotools.coco import COCO

from msrcnn_mm.coco.annotations import load_annotations
from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.coco.results_file import load_results, write_results
from msrcnn_mm.evaluation.evaluate import evaluate_scores
from msrcnn_mm.evaluation.protocol import (
    CLASS_SCORE,
    MASK_SCORE,
    UNFITTED_SCORES,
    Protocol,
    coco_protocol,
    words,
)
from msrcnn_mm.evaluation.summaries import score_table
from msrcnn_mm.rescoring.calibration_file import METHODS, read_calibration
from msrcnn_mm.rescoring.fitting import add_calibrated_scores, fit_calibration

from .arguments import OneLineParser, add_inputs
from .output_paths import refuse_inputs

FEW = 100  # detections; a curve fitted to fewer is uncertain


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = OneLineParser(
        prog="python -m msrcnn_mm calibrate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="fit|apply")
    fit = commands.add_parser("fit", help="fit a calibration to results and their annotations")
    apply = commands.add_parser("apply", help="add calibrated scores to results and evaluate them")
    for command in (fit, apply):
        add_inputs(command)
        command.add_argument("calibration", metavar="CALIBRATION.json", help="calibration file")
        command.add_argument(
            "--max-dets",
            type=int,
            default=100,
            metavar="N",
            help="greatest number of detections of a class in an image that count [100, as in"
            " COCO]",
        )
    fit.add_argument(
        "--method",
        choices=METHODS,
        default="isotonic",
        help="isotonic: a rising curve; temperature: one number; exponents: a power of each factor"
        " of the score, the only method that changes the ranking [isotonic]",
    )
    fit.add_argument(
        "--score",
        choices=UNFITTED_SCORES,
        help="score to calibrate [mask_score if the results have it, else class_score]",
    )
    apply.add_argument(
        "out", metavar="OUT.json", type=Path, help="the results with calibrated_score, to write"
    )
    apply.add_argument(
        "--same-images",
        action="store_true",
        help="allow images on which the calibration was fitted; its errors are too small there",
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Fits or applies a calibration.

    Raises:
        UserError: An input cannot be read or does not fit the others, or the output cannot be
            written.
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
    (fit if args.command == "fit" else apply)(args, coco, detections, protocol)


def fit(args: argparse.Namespace, coco: COCO, detections: Detections, protocol: Protocol) -> None:
    """Fits a calibration and writes it."""
    score = args.score or (CLASS_SCORE if detections.mask_scores is None else MASK_SCORE)
    calibration = fit_calibration(
        args.method, score, detections, coco, args.annotations.name, protocol
    )
    calibration.write(args.calibration)
    print(
        f"{args.calibration}: {calibration.calibrator.describe()} of the"
        f" {words(score)}, fitted on {calibration.detections:,} detections in"
        f" {len(calibration.images):,} images"
    )
    if calibration.detections < FEW:
        print(f"note: {calibration.detections:,} detections are few: use some hundreds")
    print("evaluate it on other images: python -m msrcnn_mm calibrate apply, or")
    print(f"    python -m msrcnn_mm test CONFIG CHECKPOINT --calibration {args.calibration}")


def apply(args: argparse.Namespace, coco: COCO, detections: Detections, protocol: Protocol) -> None:
    """Writes the results with calibrated scores and prints the evaluation of all scores."""
    calibration = read_calibration(args.calibration)
    if not args.same_images:
        calibration.refuse_same_images(coco)
    calibrated = add_calibrated_scores(calibration, detections)
    write_results(calibrated, args.out)
    print(score_table(evaluate_scores(coco, calibrated, protocol)))
    print(f"{args.out}: {len(calibrated):,} detections with calibrated_score")
