"""Draws masks with their scores and true IoUs, as one picture.

Each mask is labelled class score / mask score / true IoU. The picture shows the images in which the
mask score corrects the class score most, at least one of several in which it is most wrong, and
some that are picked at random. The title of each panel is the reason for its choice.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from msrcnn_mm.coco.annotations import load_annotations
from msrcnn_mm.errors import UserError
from msrcnn_mm.evaluation.true_ious import true_ious
from msrcnn_mm.report.pictures.image_files import check_file_names
from msrcnn_mm.report.pictures.masks import MaskDrawer
from msrcnn_mm.report.pictures.selection import choose_examples

from .arguments import OneLineParser, add_inputs, number
from .output_paths import refuse_inputs, writable_folder
from .results import read_results


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = OneLineParser(
        prog="python -m msrcnn_mm draw",
        description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add_inputs(parser)
    parser.add_argument("image_dir", metavar="IMAGE_DIR", type=Path, help="folder of the images")
    parser.add_argument("out", metavar="OUT.png", type=Path, help="picture to write")
    parser.add_argument("--images", type=int, default=6, metavar="N", help="number of images")
    parser.add_argument(
        "--score-thr", type=number, default=0.3, metavar="T", help="least class score of a mask"
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="S", help="seed of the random choice"
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Chooses images and draws them.

    Raises:
        UserError: An input cannot be read or does not fit the others, there is nothing to draw, or
            the picture cannot be written.
    """
    args = parse_args(argv)
    if args.images < 1:
        raise UserError(f"--images must be an integer >= 1, not {args.images}")
    if args.seed < 0:
        raise UserError(f"--seed must be an integer >= 0, not {args.seed}")
    if args.out.suffix != ".png":
        raise UserError(f"{args.out}: the picture's name must end in .png")
    writable_folder(args.out.parent, "OUT")
    coco = load_annotations(args.annotations)
    check_file_names(coco, args.annotations, args.image_dir)
    images = (args.image_dir / image["file_name"] for image in coco.imgs.values())
    refuse_inputs(args.out, "OUT", args.results, args.annotations, *images)
    detections = read_results(args.results, coco).with_boxes()
    ious = true_ious(coco, detections)
    examples = choose_examples(detections, ious, coco, args.images, args.score_thr, args.seed)
    if not examples:
        raise UserError(f"{args.results} has no detection of class score {args.score_thr} or more")
    figure = MaskDrawer(detections, ious, coco, args.image_dir).draw_examples(examples)
    try:
        figure.savefig(args.out)
    except OSError as error:
        raise UserError(f"cannot write {args.out}: {error.strerror}") from error
    print(f"wrote {args.out} with {len(examples)} images")
