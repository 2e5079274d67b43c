"""Fits a re-scorer to results with known ground truth, and applies it to other results.

    python -m msrcnn_mm rescore try VAL.json VAL_ANNOTATIONS.json --flipped VAL_FLIPPED.json
    python -m msrcnn_mm rescore fit VAL.json VAL_ANNOTATIONS.json --out R.json --flipped ...
    python -m msrcnn_mm rescore apply TEST.json --rescorer R.json --out OUT.json --flipped ...

The re-scorer gives each detection its expected TP share: the share of COCO's ten IoU thresholds at
which it is matched. The detector stays as it is. Results that agree has written need no --flipped
and --scaled. "try" tells by cross-fitting over images what a re-scorer would gain, and whether more
labelled images would help.

The simplest re-scorers correct one score by few numbers and give the IoU that they expect:

    python -m msrcnn_mm rescore fit VAL.json VAL_ANNOTATIONS.json --out R.json --method isotonic
"""

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from msrcnn_mm.coco.annotations import load_annotations
from msrcnn_mm.coco.detections import SCORE_ENTRIES, Detections
from msrcnn_mm.coco.results_file import write_results
from msrcnn_mm.errors import UserError, warn
from msrcnn_mm.evaluation.average_precision import curves
from msrcnn_mm.evaluation.evaluate import evaluate_scores
from msrcnn_mm.evaluation.intervals import ap_gains, resample
from msrcnn_mm.evaluation.overlaps import Overlaps, find_overlaps
from msrcnn_mm.evaluation.protocol import (
    RESCORED_SCORE,
    UNFITTED_SCORES,
    Protocol,
    coco_protocol,
    words,
)
from msrcnn_mm.evaluation.rankings import filled_scores
from msrcnn_mm.evaluation.summaries import gain_text, percent, score_table, text_table
from msrcnn_mm.rescoring.features.agreement import with_agreement
from msrcnn_mm.rescoring.features.collect import features_of
from msrcnn_mm.rescoring.features.duplicates import warn_of_duplicates
from msrcnn_mm.rescoring.features.image_groups import image_numbers
from msrcnn_mm.rescoring.learning_curve import learning_curve, outlook
from msrcnn_mm.rescoring.methods import METHODS, TREES
from msrcnn_mm.rescoring.rescorer import read_rescorer
from msrcnn_mm.rescoring.rescorer_fit import (
    Targets,
    check_enough,
    cross_fit_calibrator,
    default_score,
    fit_rescorer,
    matched_by,
    targets_of,
)
from msrcnn_mm.rescoring.trees.cross_fitting import MOST_DETECTIONS

from .arguments import OneLineParser, add_inputs
from .output_paths import add_overwrite, refuse_existing, refuse_inputs
from .results import read_results
from .view_arguments import add_views, load_views, warn_of_replaced

FEW = 100
"""A re-scorer fitted to fewer detections is uncertain."""

EACH_IMAGE = "each of {:,} images is scored by a re-scorer that was fitted on others"


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = OneLineParser(
        prog="python -m msrcnn_mm rescore",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="try|fit|apply")
    attempt = commands.add_parser("try", help="tell what a re-scorer would gain")
    fit = commands.add_parser("fit", help="fit a re-scorer and write it")
    apply = commands.add_parser("apply", help="add re-scored scores to results")
    for command in (attempt, fit):
        add_inputs(command)
        command.add_argument(
            "--method",
            choices=METHODS,
            default=TREES,
            help="trees: boosted trees over all features; isotonic: a rising curve of one score;"
            " temperature: one number; exponents: a power of each factor of the score, of these"
            f" three the only one that changes the ranking [{TREES}]",
        )
        command.add_argument(
            "--score",
            choices=UNFITTED_SCORES,
            help="score that the last three methods correct [mask_score if the results have it,"
            " else class_score]",
        )
    apply.add_argument(
        "results", metavar="RESULTS.json", type=Path, help="results file in COCO's format"
    )
    apply.add_argument(
        "annotations",
        nargs="?",
        metavar="ANNOTATIONS.json",
        type=Path,
        help="annotations in COCO's format, to evaluate the re-scored results by",
    )
    apply.add_argument(
        "--rescorer", required=True, metavar="R.json", type=Path, help="file that fit wrote"
    )
    apply.add_argument(
        "--same-images",
        action="store_true",
        help="allow images on which the re-scorer was fitted; its scores are too good there",
    )
    for command, what in ((fit, "re-scorer"), (apply, "results file")):
        command.add_argument(
            "--out", required=True, metavar="OUT.json", type=Path, help=f"{what} to write"
        )
        add_overwrite(command, "OUT.json")
    for command in (attempt, fit, apply):
        command.add_argument(
            "--max-dets",
            type=int,
            default=100,
            metavar="N",
            help="greatest number of detections of a class in an image that count [100, as in"
            " COCO]",
        )
        add_views(command)
    args = parser.parse_args(argv)
    if args.command != "apply" and args.score and args.method == TREES:
        raise UserError(f"--score {args.score}: trees take all scores: add --method isotonic")
    if args.max_dets < 1:
        raise UserError(f"--max-dets must be an integer >= 1, not {args.max_dets}")
    return args


def main(argv: Sequence[str] | None = None) -> None:
    """Tries, fits or applies a re-scorer.

    Raises:
        UserError: An input cannot be read or does not fit the others, or the output cannot be
            written.
    """
    args = parse_args(argv)
    {"try": attempt, "fit": fit, "apply": apply}[args.command](args)


@contextmanager
def _naming(results: Path) -> Iterator[None]:
    """Puts the name of the results file before errors about the results."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{results}: {error}") from error


def attempt(args: argparse.Namespace) -> None:
    """Prints AP by the scores that there are and by re-scorers that did not see the image."""
    coco = load_annotations(args.annotations)
    detections = read_results(args.results, coco)
    protocol = coco_protocol(coco, args.max_dets)
    views = load_views(args)
    with _naming(args.results):
        warn_of_replaced(args, detections)
        if views:
            detections = with_agreement(detections, views)
        if detections.consensus is not None:
            warn_of_duplicates(detections, str(args.results))
        overlaps = find_overlaps(coco, detections, protocol)
        targets = targets_of(overlaps, detections, protocol)
        if args.method == TREES:
            check_enough(coco, detections, targets)
            _attempt_trees(overlaps, detections, targets, protocol)
            return
        score = args.score or default_score(detections)
        matched = matched_by(score, overlaps, detections, protocol)
        rescored = cross_fit_calibrator(args.method, score, detections, matched)
        detections = replace(detections, rescored_scores=rescored)
        print(score_table(evaluate_scores(coco, detections, protocol)))
        print(EACH_IMAGE.format(len(set(detections.image_ids))))


def _attempt_trees(
    overlaps: Overlaps, detections: Detections, targets: Targets, protocol: Protocol
) -> None:
    """Prints AP by the scores that there are and by trees fitted on more and more images."""
    features = features_of(detections)
    images = image_numbers(detections.image_ids)
    scores = filled_scores(detections)
    scores.pop(RESCORED_SCORE, None)
    curve = learning_curve(features.values, targets.tp_shares, images, features.base)
    fitted = [f"re-scored, fitted on {size} images" for size in curve]
    scores |= dict(zip(fitted, curve.values(), strict=True))
    in_order = {name: values[overlaps.detections] for name, values in scores.items()}
    columns = {name: curves(overlaps, own, protocol).columns() for name, own in in_order.items()}
    aps = {name: float(column[0]) for name, column in columns.items()}
    resamples = resample(overlaps, in_order, {}, protocol)
    gains = ap_gains(aps, resamples)
    rows = [
        [words(name), *map(percent, column[:3]), gain_text(gains[name]) if name in gains else ""]
        for name, column in columns.items()
    ]
    print(text_table(["ranked by", "AP", "AP50", "AP75", "AP gained over class score"], rows))
    print(EACH_IMAGE.format(len(set(detections.image_ids))))
    doubled = ap_gains(aps, resamples, fitted[-2])[fitted[-1]] if len(fitted) > 1 else None
    print(outlook(list(curve), doubled))


def fit(args: argparse.Namespace) -> None:
    """Fits a re-scorer and writes it."""
    refuse_inputs(args.out, "--out", args.results, args.annotations, *args.flipped, *args.scaled)
    refuse_existing([args.out], args.overwrite, "file", "--out")
    coco = load_annotations(args.annotations)
    detections = read_results(args.results, coco)
    views = load_views(args)
    protocol = coco_protocol(coco, args.max_dets)
    with _naming(args.results):
        warn_of_replaced(args, detections)
        rescorer = fit_rescorer(
            detections,
            coco,
            args.annotations.name,
            views,
            protocol,
            method=args.method,
            score=args.score,
        )
    rescorer.write(args.out)
    line = (
        f"{args.out}: re-scorer, {rescorer.method.describe()}, fitted on"
        f" {rescorer.detections:,} detections in {len(rescorer.images):,} images"
    )
    if args.method == TREES and rescorer.detections > MOST_DETECTIONS:
        line += f", the trees of each fold on at most {MOST_DETECTIONS:,}, drawn at random"
    print(line)
    if rescorer.detections < FEW:
        warn(f"{rescorer.detections:,} detections are few: use some hundreds")


def apply(args: argparse.Namespace) -> None:
    """Writes the results with re-scored scores, and evaluates them where there are annotations."""
    inputs = [path for path in (args.results, args.annotations, args.rescorer) if path]
    refuse_inputs(args.out, "--out", *inputs, *args.flipped, *args.scaled)
    refuse_existing([args.out], args.overwrite, "file", "--out")
    coco = args.annotations and load_annotations(args.annotations)
    rescorer = read_rescorer(args.rescorer)
    detections = read_results(args.results, coco)
    views = load_views(args)
    if coco:
        with _naming(args.annotations):
            rescorer.refuse_other_names(coco)
    with _naming(args.results):
        if coco and not args.same_images:
            rescorer.refuse_same_images(coco, detections.image_ids)
        warn_of_replaced(args, detections)
        rescored = rescorer.apply(detections, views, args.same_images)
    detections = rescored.added_to(detections)
    write_results(detections, args.out)
    if coco:
        print(score_table(evaluate_scores(coco, detections, coco_protocol(coco, args.max_dets))))
    names = ", ".join(SCORE_ENTRIES[name] for name in rescored.columns())
    print(f"{args.out}: {len(detections):,} detections with {names}")
