"""Makes the demo data set: COCO layout, drawn shapes, nothing downloaded. See docs/demo.md."""

import argparse
import time
from pathlib import Path

from msrcnn_mm.demo.dataset import CLASSES, make_dataset

from .arguments import OneLineParser


def _arguments() -> argparse.Namespace:
    parser = OneLineParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("out_dir", type=Path, metavar="OUT_DIR")
    parser.add_argument("--train", type=int, default=400, metavar="N", help="training images")
    parser.add_argument("--val", type=int, default=120, metavar="N", help="test images")
    parser.add_argument("--size", type=int, default=128, metavar="PX", help="side of an image")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of every choice")
    return parser.parse_args()


def main() -> None:
    """Makes the data and says what is there."""
    args = _arguments()
    start = time.monotonic()
    made = make_dataset(
        args.out_dir, train=args.train, val=args.val, size=args.size, seed=args.seed
    )
    done = f"made in {time.monotonic() - start:.0f} s" if made else "already there"
    print(
        f"{args.out_dir}: {args.train} training and {args.val} test images of "
        f"{args.size}x{args.size} pixels, classes {', '.join(CLASSES)}: {done}"
    )
