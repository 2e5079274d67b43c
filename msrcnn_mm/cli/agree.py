"""Measures how well each mask is found again in other views of its image.

    python -m msrcnn_mm agree RESULTS.json --flipped FLIPPED.json --scaled SMALL.json --out OUT.json

A view is the image mirrored or at another size, tested by the same detector. The output is the
results with three more entries: the scores agreement_score and consensus, which rank masks and
need no fitting, and view_agreement, which python -m msrcnn_mm rescore reads.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from msrcnn_mm.coco.results_file import write_results
from msrcnn_mm.errors import UserError
from msrcnn_mm.evaluation.summaries import text_table
from msrcnn_mm.rescoring.features.agreement import AGREEMENT, ENTRY, agreement, with_columns
from msrcnn_mm.rescoring.features.duplicates import warn_of_duplicates
from msrcnn_mm.rescoring.features.views import (
    FOUND_IOU,
    check_view,
    confident_score,
    kinds_of,
)

from .arguments import OneLineParser
from .output_paths import add_overwrite, refuse_existing, refuse_inputs
from .results import read_results
from .view_arguments import add_views, load_views


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = OneLineParser(
        prog="python -m msrcnn_mm agree",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "results", metavar="RESULTS.json", type=Path, help="results file in COCO's format"
    )
    add_views(parser)
    parser.add_argument(
        "--out", required=True, metavar="OUT.json", type=Path, help="results file to write"
    )
    add_overwrite(parser, "OUT.json")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Writes the results with their agreement.

    Raises:
        UserError: An input cannot be read, a view does not fit, or the output cannot be written.
    """
    args = parse_args(argv)
    refuse_inputs(args.out, "--out", args.results, *args.flipped, *args.scaled)
    refuse_existing([args.out], args.overwrite, "file", "--out")
    if not args.flipped + args.scaled:
        raise UserError("there is no view: give results of one by --flipped or --scaled")
    detections = read_results(args.results)
    rows = []
    found = []
    views = load_views(args)
    least = confident_score(detections.class_scores)
    for view in views:
        brought_back, again = check_view(detections, view)
        columns = agreement(detections, brought_back)
        confident = detections.class_scores >= least
        mean = f"{columns[AGREEMENT][confident].mean():.3f}" if confident.any() else "-"
        share = f"{again.share:.1%}" if again.confident else "-"
        rows.append([view.name, f"{again.confident:,}", share, mean])
        found.append(columns)
    warn_of_duplicates(detections, str(args.results))
    write_results(with_columns(detections, kinds_of(views), found), args.out)
    print(text_table(["view", "masks", "found again", "agreement"], rows))
    print(
        f"masks: of class score >= {least:.3g}; found again: with IoU >= {FOUND_IOU}, whatever the"
        " class; agreement: mean IoU with masks of the class"
    )
    print(f"{args.out}: {len(detections):,} detections with agreement_score, consensus, {ENTRY}")
