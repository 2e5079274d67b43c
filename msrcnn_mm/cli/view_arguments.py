"""Adds the options that name results of views, and reads these."""

import argparse
from pathlib import Path

from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.errors import UserError, warn
from msrcnn_mm.rescoring.features.agreement import kinds_in
from msrcnn_mm.rescoring.features.views import View

from .arguments import split_pair
from .results import read_results


def add_views(parser: argparse.ArgumentParser) -> None:
    """Adds ``--flipped``, ``--scaled`` and ``--swap``."""
    parser.add_argument(
        "--flipped",
        nargs="+",
        default=[],
        type=Path,
        metavar="F.json",
        help="results of the images mirrored left to right, as the detector wrote them: masks in"
        " the mirrored image",
    )
    parser.add_argument(
        "--scaled",
        nargs="+",
        default=[],
        type=Path,
        metavar="S.json",
        help="results of the images at another size, masks at the images' own size",
    )
    parser.add_argument(
        "--swap",
        nargs="+",
        default=[],
        type=_pair,
        metavar="A=B",
        help="category ids that a mirror swaps, such as those of left and right door",
    )


def load_views(args: argparse.Namespace) -> list[View]:
    """Reads the results that the options name.

    Raises:
        UserError: A file cannot be read, is given twice, or is that of the results; ``--swap`` is
            given without ``--flipped``, or names a category twice.
    """
    files = [path.resolve() for path in (args.results, *args.flipped, *args.scaled)]
    for index, path in enumerate(files):
        if path in files[:index]:
            raise UserError(f"{path.name} is given twice: a view is another file of results")
    swapped = [str(one) for pair in args.swap for one in pair]
    if swapped and not args.flipped:
        raise UserError("--swap is of categories in mirrored images: add --flipped F.json")
    twice = [one for index, one in enumerate(swapped) if one in swapped[:index]]
    if twice:
        raise UserError(f"--swap: category {twice[0]} is given twice: pair each with one other")
    views = [View(str(path), read_results(path), True, dict(args.swap)) for path in args.flipped]
    return views + [View(str(path), read_results(path)) for path in args.scaled]


def warn_of_replaced(args: argparse.Namespace, detections: Detections) -> None:
    """Warns if the options name results of views and the detections have an agreement already.

    Raises:
        UserError: Detections differ in the views that they agree with.
    """
    if (args.flipped or args.scaled) and kinds_in(detections):
        warn(
            f"{args.results}: has an agreement with views already, which that with the files of"
            " --flipped and --scaled replaces"
        )


def _pair(text: str) -> tuple[int | str, int | str]:
    one, other = split_pair(text, "category ids")
    return _category(one), _category(other)


def _category(text: str) -> int | str:
    return int(text) if text.isdecimal() else text
