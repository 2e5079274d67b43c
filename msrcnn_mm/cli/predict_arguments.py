"""Arguments and last line of predictions of a user's images, whatever predicts them."""

import argparse
from pathlib import Path

from msrcnn_mm.errors import UserError
from msrcnn_mm.evaluation.protocol import SCORES
from msrcnn_mm.runtime.chosen import Choice
from msrcnn_mm.runtime.outputs import Outputs, Summary

from .arguments import number

INPUT = "image, folder, quoted pattern such as 'a/**/*.png', .txt list of images, or video"


def add_outputs(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the files to write."""
    parser.add_argument(
        "--out",
        default="predictions",
        metavar="FOLDER",
        help="folder of results.json and images.json [predictions]",
    )
    parser.add_argument(
        "--polygons", action="store_true", help="write polygons.json, annotations of the masks"
    )
    parser.add_argument(
        "--csv", action="store_true", help="write counts.csv, counts and areas of each class"
    )
    parser.add_argument(
        "--score-by",
        choices=SCORES,
        metavar="SCORE",
        help=f"score that selects the masks of the files beside results.json: {', '.join(SCORES)}"
        " [rescored_score, mask_score or class_score, the first that there is]",
    )
    parser.add_argument(
        "--score-thr", type=number, default=0.3, metavar="T", help="its threshold, 0 to 1 [0.3]"
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace the outputs of another run"
    )


def outputs_of(args: argparse.Namespace, draw: bool = False) -> tuple[Outputs, Choice]:
    """Returns the files to write, and what selects the detections that they show.

    Args:
        args: With the options of :func:`add_outputs`.
        draw: Whether pictures are drawn.

    Raises:
        UserError: The threshold is not in [0, 1].
    """
    if not 0 <= args.score_thr <= 1:
        raise UserError(f"--score-thr must be a number from 0 to 1, not {args.score_thr:g}")
    outputs = Outputs(Path(args.out).expanduser(), draw, args.polygons, args.csv)
    return outputs, Choice(args.score_by, args.score_thr)


def print_summary(outputs: Outputs, summary: Summary) -> None:
    """Prints what is written."""
    skipped = f", {len(summary.skipped)} skipped" if summary.skipped else ""
    print(
        f"{outputs.results}: {summary.detections} detections in {summary.images} images{skipped};"
        f" {summary.selected} selected"
    )
