"""Serves a local page that shows the masks of an image by any score and threshold."""

import argparse
from collections.abc import Sequence

from mmdet.utils import setup_cache_size_limit_of_dynamo

from msrcnn_mm.app.server import PageServer, serve
from msrcnn_mm.engine.checkpoints.loading import require_file
from msrcnn_mm.engine.config.file import load_config
from msrcnn_mm.engine.predict.page_model import PageModel

from .page_arguments import add_page
from .run_arguments import RunArgumentParser, check_device, set_scores


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = RunArgumentParser("Show the masks of images on a local page")
    parser.add_argument("checkpoint", help="checkpoint file or address")
    add_page(parser)
    parser.add_scores()
    parser.add_argument("--device", help="such as cpu or cuda:0 [a GPU if there is one]")
    parser.add_config_options()
    parser.epilog = (
        "An exported detector takes the place of config and checkpoint: see"
        " python -m msrcnn_mm app model.onnx --help."
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Loads the model, prints the page's address, and serves it until Ctrl-C.

    Raises:
        UserError: An option, the config or the checkpoint has a mistake.
    """
    args = parse_args(argv)
    check_device(args.device)
    setup_cache_size_limit_of_dynamo()
    config = load_config(args.config, args.cfg_options, None, "none", args.safe)
    require_file(args.checkpoint)
    set_scores(config, args)
    options = args.cfg_options or ()
    name, checkpoint, device = args.config, args.checkpoint, args.device
    model = PageModel(config, name, options, checkpoint, device, args.score_by)
    serve(PageServer(model, args.port, args.score_by))
