"""Arguments of the local page, whatever its model."""

import argparse

from msrcnn_mm.evaluation.protocol import SCORES

PORT = 8765
_PORTS = range(1 << 16)


def add_page(parser: argparse.ArgumentParser) -> None:
    """Adds ``--port`` and ``--score-by``."""
    parser.add_argument(
        "--port",
        type=_port,
        default=PORT,
        metavar="N",
        help=f"port of the page, 0 for any that is free [{PORT}]",
    )
    parser.add_argument(
        "--score-by",
        choices=SCORES,
        metavar="SCORE",
        help=f"score that the page starts with: {', '.join(SCORES)} [rescored_score, mask_score or"
        " class_score, the first that there is]",
    )


def _port(text: str) -> int:
    if text.isdecimal() and int(text) in _PORTS:
        return int(text)
    raise argparse.ArgumentTypeError(f"must be an integer from 0 to {_PORTS[-1]}, not {text}")
