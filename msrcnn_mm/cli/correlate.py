"""Correlates the scores of masks with their true IoUs, as a picture and a JSON file.

The class score, mask IoU (s_iou) and mask score of the results are compared with the true IoU of
the masks. The masks of a score that equals the true IoU lie on the diagonal.
"""

import argparse
from collections.abc import Mapping, Sequence

from msrcnn_mm.coco.annotations import load_annotations
from msrcnn_mm.coco.json_files import write_json
from msrcnn_mm.errors import UserError
from msrcnn_mm.evaluation.correlation import ScorePoints, report, score_points
from msrcnn_mm.evaluation.protocol import CORRECT_IOU
from msrcnn_mm.evaluation.summaries import text_table
from msrcnn_mm.evaluation.true_ious import true_ious
from msrcnn_mm.report.figures.correlation import coefficient, draw_correlation

from .arguments import OneLineParser, add_inputs, number
from .output_paths import writable_folder
from .results import read_results


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = OneLineParser(
        prog="python -m msrcnn_mm correlate",
        description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add_inputs(parser)
    parser.add_argument(
        "out_dir", metavar="OUT_DIR", help="folder for correlation.png and correlation.json"
    )
    parser.add_argument(
        "--score-thr",
        type=number,
        default=0.05,
        metavar="T",
        help="least class score of a mask; MMDetection's configs write no masks below 0.05",
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Correlates the scores and writes the picture and the numbers.

    Raises:
        UserError: An input cannot be read or does not fit the others, there is no detection, or the
            folder cannot be written to.
    """
    args = parse_args(argv)
    coco = load_annotations(args.annotations)
    detections = read_results(args.results, coco)
    points = score_points(detections, true_ious(coco, detections), args.score_thr)
    if not points:
        raise UserError(f"{args.results} has no detection of class score {args.score_thr} or more")
    folder = writable_folder(args.out_dir, "OUT_DIR")
    try:
        draw_correlation(points).savefig(folder / "correlation.png")
    except OSError as error:
        raise UserError(f"cannot write {folder}/correlation.png: {error.strerror}") from error
    write_json(report(points, args.score_thr), folder / "correlation.json")
    print(table(points))
    counted = points["class score"].all.count
    print(f"{counted:,} of {len(detections):,} detections: class score {args.score_thr:g} or more")
    print(f"{folder}/correlation.png, {folder}/correlation.json")


def table(points: Mapping[str, ScorePoints]) -> str:
    """Returns a table of the coefficients of each score, over all masks and the matched ones."""
    rows = []
    for name, p in points.items():
        matched = p.true_ious[p.true_ious >= CORRECT_IOU]
        sets = (("all", p.all, p.true_ious), (f"IoU >= {CORRECT_IOU}", p.matched, matched))
        for masks, correlation, ious in sets:
            mean = float(ious.mean()) if len(ious) else None
            values = (correlation.pearson, correlation.spearman, mean)
            rows.append([f"{name}, {masks}", f"{correlation.count:,}", *map(coefficient, values)])
    header = ["against the true IoU", "masks", "Pearson", "Spearman", "mean true IoU"]
    return text_table(header, rows)
