"""Draws what the scores of masks say and what is true, as one picture.

Each mask is labelled class score / mask score / true IoU. Some images are those where the mask
score corrects the class score most, at least one of several is where it errs most, some are picked
at random; each says which it is.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from matplotlib import pyplot as plt
from pycocotools import mask as mask_utils

from msrcnn_mm.coco.annotation_file import load_annotations
from msrcnn_mm.coco.results_file import load_results
from msrcnn_mm.errors import UserError
from msrcnn_mm.evaluation.oracle import ground_truth_masks, true_mask_ious
from msrcnn_mm.report.pictures.examples import choose_examples
from msrcnn_mm.report.pictures.masks import draw

from .arguments import OneLineParser, number
from .output_paths import refuse_inputs, writable_folder


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = OneLineParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("results", metavar="RESULTS.json", help="of tools/test.py --out, or alike")
    parser.add_argument("annotations", metavar="ANNOTATIONS.json", help="in COCO's format")
    parser.add_argument("image_dir", metavar="IMAGE_DIR", type=Path)
    parser.add_argument("out", metavar="OUT.png", type=Path)
    parser.add_argument("--images", type=int, default=6, metavar="N", help="how many to show")
    parser.add_argument(
        "--score-thr", type=number, default=0.3, metavar="T", help="least class score of a mask"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of the random picks")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Reads, chooses, draws and writes.

    Raises:
        UserError: An input cannot be read or fits no other, or there is nothing to draw.
    """
    args = parse_args(argv)
    if args.images < 1:
        raise UserError(f"--images is at least 1, not {args.images}")
    if args.out.suffix != ".png":
        raise UserError(f"{args.out}: the picture's name must end in .png")
    writable_folder(args.out.parent, "OUT")
    coco = load_annotations(args.annotations)
    images = (args.image_dir / str(image.get("file_name") or "") for image in coco.imgs.values())
    refuse_inputs(args.out, "OUT", args.results, args.annotations, *images)
    detections = load_results(args.results, coco)
    for detection in detections:  # other frameworks' mask results may have no box
        detection.setdefault("bbox", mask_utils.toBbox(detection["segmentation"]).tolist())
    examples = choose_examples(
        detections,
        true_mask_ious(detections, ground_truth_masks(coco)),
        {i: (image["height"], image["width"]) for i, image in coco.imgs.items()},
        args.images,
        args.score_thr,
        args.seed,
    )
    if not examples:
        raise UserError(f"{args.results} has no detection of class score {args.score_thr} or more")
    figure = draw(examples, coco, args.image_dir)
    try:
        figure.savefig(args.out)
    except OSError as error:
        raise UserError(f"cannot write {args.out}: {error.strerror}") from error
    finally:
        plt.close(figure)
    print(f"{len(examples)} images are drawn in {args.out}")
