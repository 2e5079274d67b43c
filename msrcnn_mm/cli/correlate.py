"""How well the scores of masks go with their true IoU: a picture and a JSON file.

Each score of the results, class score, mask IoU (s_iou) and mask score, against the true IoU of the
mask. A score that says what it means has its masks on the diagonal.
"""

import argparse
from collections.abc import Mapping, Sequence

from matplotlib import pyplot as plt
from terminaltables import AsciiTable

from msrcnn_mm.coco.annotation_file import load_annotations
from msrcnn_mm.coco.json_files import write_json
from msrcnn_mm.coco.results_file import load_results
from msrcnn_mm.errors import UserError
from msrcnn_mm.evaluation.correlation import MATCHED_IOU, ScorePoints, report, score_points
from msrcnn_mm.evaluation.oracle import ground_truth_masks, true_mask_ious
from msrcnn_mm.report.figures.correlation import coefficient, draw

from .arguments import OneLineParser, number
from .output_paths import writable_folder


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = OneLineParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("results", metavar="RESULTS.json", help="of tools/test.py --out, or alike")
    parser.add_argument("annotations", metavar="ANNOTATIONS.json", help="in COCO's format")
    parser.add_argument(
        "out_dir", metavar="OUT_DIR", help="folder for correlation.png and correlation.json"
    )
    parser.add_argument(
        "--score-thr",
        type=number,
        default=0.05,
        metavar="T",
        help="least class score of a mask; MMDetection's configs leave out what is below 0.05, "
        "other detectors write it",
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Reads, correlates, draws and writes.

    Raises:
        UserError: An input cannot be read or fits no other, there is no detection, or the folder
            cannot be written to.
    """
    args = parse_args(argv)
    coco = load_annotations(args.annotations)
    detections = load_results(args.results, coco)
    true_ious = true_mask_ious(detections, ground_truth_masks(coco))
    points = score_points(detections, true_ious, args.score_thr)
    if not points:
        raise UserError(f"{args.results} has no detection of class score {args.score_thr} or more")
    folder = writable_folder(args.out_dir, "OUT_DIR")
    figure = draw(points)
    try:
        figure.savefig(folder / "correlation.png")
    except OSError as error:
        raise UserError(f"cannot write {folder}/correlation.png: {error.strerror}") from error
    finally:
        plt.close(figure)
    write_json(report(points, args.score_thr), folder / "correlation.json")
    print(table(points))
    counted = points["class score"].all.count
    print(f"{counted:,} of {len(detections):,} detections: class score {args.score_thr:g} or more")
    print(f"{folder}/correlation.png, {folder}/correlation.json")


def table(points: Mapping[str, ScorePoints]) -> str:
    """The coefficients of each score, over all masks and over the matched ones."""
    rows = [["against the true IoU", "masks", "count", "Pearson", "Spearman", "mean true IoU"]]
    for word, p in points.items():
        matched = p.true_ious[p.true_ious >= MATCHED_IOU]
        sets = (("all", p.all, p.true_ious), (f"IoU >= {MATCHED_IOU}", p.matched, matched))
        for name, found, ious in sets:
            coefficients = [coefficient(value) for value in (found.pearson, found.spearman)]
            mean = coefficient(float(ious.mean()) if len(ious) else None)
            rows.append([word, name, f"{found.count:,}", *coefficients, mean])
    drawn = AsciiTable(rows)
    drawn.justify_columns = dict.fromkeys(range(2, 6), "right")
    return drawn.table
