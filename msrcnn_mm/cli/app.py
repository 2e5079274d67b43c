"""Serves a local page that shows the masks of an image by any score and threshold."""

import argparse
from collections.abc import Sequence

from mmdet.utils import setup_cache_size_limit_of_dynamo

from msrcnn_mm.app.server import PageServer, serve
from msrcnn_mm.engine.checkpoints.loading import require_file
from msrcnn_mm.engine.config.file import load_config
from msrcnn_mm.engine.predict.page_model import PageModel
from msrcnn_mm.errors import UserError
from msrcnn_mm.evaluation.protocol import SCORES

from .run_arguments import RunArgumentParser, check_device, set_scores

PORT = 8765
_PORTS = range(1 << 16)


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = RunArgumentParser("Show the masks of images on a local page")
    parser.add_argument("checkpoint", help="checkpoint file or address")
    parser.add_argument(
        "--port",
        type=int,
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
    parser.add_scores()
    parser.add_argument("--device", help="such as cpu or cuda:0 [a GPU if there is one]")
    parser.add_config_options()
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Loads the model, prints the page's address, and serves it until Ctrl-C.

    Raises:
        UserError: An option, the config or the checkpoint has a mistake.
    """
    args = parse_args(argv)
    if args.port not in _PORTS:
        raise UserError(f"--port must be an integer from 0 to {_PORTS[-1]}, not {args.port}")
    check_device(args.device)
    setup_cache_size_limit_of_dynamo()
    config = load_config(args.config, args.cfg_options, None, "none")
    require_file(args.checkpoint)
    set_scores(config, args)
    options = args.cfg_options or ()
    name, checkpoint, device = args.config, args.checkpoint, args.device
    model = PageModel(config, name, options, checkpoint, device, args.score_by)
    serve(PageServer(model, args.port, args.score_by))
