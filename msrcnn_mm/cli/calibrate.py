"""Fits or applies the simplest re-scorers: the old form of python -m msrcnn_mm rescore.

    python -m msrcnn_mm calibrate fit VAL.json VAL_ANNOTATIONS.json CALIBRATION.json
    python -m msrcnn_mm calibrate apply TEST.json TEST_ANNOTATIONS.json CALIBRATION.json OUT.json

Options are passed on. The method is isotonic unless --method names another.
"""

import argparse
from collections.abc import Sequence

from msrcnn_mm.errors import warn

from . import rescore
from .arguments import OneLineParser


def parse_args(argv: Sequence[str] | None = None) -> tuple[argparse.Namespace, list[str]]:
    """Parses the arguments of the command line; returns its options as they are."""
    parser = OneLineParser(
        prog="python -m msrcnn_mm calibrate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="fit|apply")
    names = ["results", "annotations", "calibration"]
    for command, files in (("fit", names), ("apply", [*names, "out"])):
        added = commands.add_parser(command, help=f"python -m msrcnn_mm rescore {command}")
        for name in files:
            added.add_argument(name, metavar=f"{name.upper()}.json")
    return parser.parse_known_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Fits or applies a re-scorer.

    Raises:
        UserError: As :func:`.rescore.main`.
    """
    args, options = parse_args(argv)
    if args.command == "fit":
        named = any(option.startswith("--method") for option in options)
        words = ["--out", args.calibration, *([] if named else ["--method", "isotonic"])]
    else:
        words = ["--rescorer", args.calibration, "--out", args.out]
    line = [args.command, args.results, args.annotations, *words, *options]
    warn(f"calibrate is now called rescore: python -m msrcnn_mm rescore {' '.join(line)}")
    rescore.main(line)
