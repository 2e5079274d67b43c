"""Makes the demo data set: drawn shapes in COCO's layout, with no download. See docs/demo.md."""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from msrcnn_mm.errors import UserError

from .arguments import OneLineParser


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = OneLineParser(
        prog="python -m msrcnn_mm demo-data",
        description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("out_dir", type=Path, metavar="OUT_DIR", help="folder for the data")
    parser.add_argument(
        "--train", type=int, default=400, metavar="N", help="number of training images"
    )
    parser.add_argument("--val", type=int, default=120, metavar="N", help="number of test images")
    parser.add_argument(
        "--size", type=int, default=128, metavar="PX", help="side of an image in pixels"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="seed of the data set")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Makes the data set and prints its contents.

    Raises:
        UserError: OpenCV is not installed, a setting is out of range, or the folder holds something
            else or cannot be written.
    """
    args = parse_args(argv)
    try:
        from msrcnn_mm.demo.dataset import CLASSES, make_dataset
    except ModuleNotFoundError as error:
        if error.name != "cv2":
            raise
        raise UserError(
            "demo-data draws with OpenCV, which is not installed: pip install opencv-python"
        ) from error
    start = time.monotonic()
    made = make_dataset(
        args.out_dir, train=args.train, val=args.val, size=args.size, seed=args.seed
    )
    done = f"made in {time.monotonic() - start:.0f} s" if made else "already there"
    print(
        f"{args.out_dir}: {args.train} training and {args.val} test images of "
        f"{args.size}x{args.size} pixels, classes {', '.join(CLASSES)}: {done}"
    )
