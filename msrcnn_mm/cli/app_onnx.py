"""Shows the masks that an exported detector finds on a local page, without torch and MMDetection.

python -m msrcnn_mm app MODEL.onnx
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from msrcnn_mm.app.model import Found
from msrcnn_mm.app.server import PageServer, serve
from msrcnn_mm.errors import UserError
from msrcnn_mm.runtime.detector import OnnxDetector
from msrcnn_mm.runtime.images import read_image

from .arguments import OneLineParser
from .page_arguments import add_page


class OnnxModel:
    """An exported detector for :class:`msrcnn_mm.app.server.PageServer`.

    Args:
        file: The ONNX file.
        rescorer: File of a re-scorer; None for none.
        score: The score to start with; None for the page's choice.

    Attributes:
        name: The file's name.
        categories: ``id`` and ``name`` of each class.

    Raises:
        UserError: As :class:`OnnxDetector`, or the model lacks the score.
    """

    def __init__(self, file: str, rescorer: str | None = None, score: str | None = None) -> None:
        self._detector = OnnxDetector(file, rescorer)
        scores = ["class_score", "mask_score"][: 1 + self._detector.has_mask_ious]
        scores += ["maskness", "rescored_score"][: 1 + (rescorer is not None)]
        if score is not None and score not in scores:
            raise UserError(f"--score-by {score}: {file} has {', '.join(scores)}")
        self.name = Path(file).name
        self.categories = self._detector.settings.categories

    def find(self, file: Path, name: str) -> Found:
        """Finds the masks of an image.

        Args:
            file: The image.
            name: Its name in messages.

        Raises:
            UserError: The image cannot be read or predicted.
        """
        try:
            pixels = read_image(file)
            return Found(pixels[..., ::-1], self._detector.predict(pixels).to_rows())
        except UserError as error:
            raise UserError(str(error).replace(str(file), name)) from error


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = OneLineParser(
        prog="python -m msrcnn_mm app",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", metavar="MODEL.onnx", help="file of the command export")
    add_page(parser)
    parser.add_argument(
        "--rescorer",
        metavar="FILE",
        help="add rescored scores by a file of python -m msrcnn_mm rescore fit",
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Opens the model, prints the page's address, and serves it until Ctrl-C.

    Raises:
        UserError: An option, the model or the re-scorer has a mistake, or a package is missing.
    """
    args = parse_args(argv)
    serve(PageServer(OnnxModel(args.model, args.rescorer, args.score_by), args.port, args.score_by))
