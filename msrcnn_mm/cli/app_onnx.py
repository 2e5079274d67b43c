"""Shows the masks that an exported detector finds on a local page, without torch and MMDetection.

python -m msrcnn_mm app MODEL.onnx
"""

import argparse
from collections.abc import Sequence

from msrcnn_mm.app.onnx_model import OnnxModel
from msrcnn_mm.app.server import PageServer, serve

from .onnx_arguments import OnnxArgumentParser
from .page_arguments import add_page


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = OnnxArgumentParser("app", __doc__)
    parser.add_model()
    add_page(parser)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Opens the model, prints the page's address, and serves it until Ctrl-C.

    Raises:
        UserError: An option, the model or the re-scorer has a mistake, or a package is missing.
    """
    args = parse_args(argv)
    serve(PageServer(OnnxModel(args.model, args.rescorer, args.score_by), args.port, args.score_by))
