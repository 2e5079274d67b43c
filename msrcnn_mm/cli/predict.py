"""Predicts a user's own images: scored masks as a results file, pictures, polygons and counts."""

import argparse
from collections.abc import Sequence

from mmdet.utils import setup_cache_size_limit_of_dynamo

from msrcnn_mm.engine.checkpoints.loading import require_file
from msrcnn_mm.engine.config.file import load_config
from msrcnn_mm.engine.predict.run import Run, predict
from msrcnn_mm.errors import UserError
from msrcnn_mm.runtime.inputs import find_images

from .output_paths import writable_folder
from .predict_arguments import INPUT, add_outputs, outputs_of, print_summary
from .run_arguments import RunArgumentParser, check_device, set_scores

_LEAST_TILE = 32  # pixels


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = RunArgumentParser("Predict images", first=("input", INPUT))
    parser.add_argument("checkpoint", help="checkpoint file or address")
    add_outputs(parser)
    parser.add_argument(
        "--draw", action="store_true", help="draw the masks into pictures/ of the folder"
    )
    parser.add_scores()
    parser.add_argument(
        "--tiles",
        type=int,
        metavar="SIDE",
        help="cut images into tiles of this side in pixels, and join what they cut",
    )
    parser.add_argument(
        "--batch-size", type=int, metavar="N", help="images at once [that of test_dataloader]"
    )
    parser.add_argument("--device", help="such as cpu or cuda:0 [a GPU if there is one]")
    parser.add_config_options()
    parser.epilog = (
        "An exported detector takes the place of config and checkpoint: see"
        " python -m msrcnn_mm predict model.onnx --help."
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Checks the options, predicts, and says what is written.

    Raises:
        UserError: An option, an input, the config or the checkpoint has a mistake, or an output
            cannot be written.
    """
    args = parse_args(argv)
    outputs, choice = outputs_of(args, args.draw)
    if args.batch_size is not None and args.batch_size < 1:
        raise UserError(f"--batch-size must be an integer >= 1, not {args.batch_size}")
    if args.tiles is not None and args.tiles < _LEAST_TILE:
        raise UserError(f"--tiles must be an integer >= {_LEAST_TILE}, not {args.tiles}")
    check_device(args.device)
    setup_cache_size_limit_of_dynamo()
    config = load_config(args.config, args.cfg_options, None, "none", args.safe)
    require_file(args.checkpoint)
    set_scores(config, args)
    source = find_images(args.input, outputs.pictures)
    writable_folder(outputs.folder, "--out")
    batch_size = args.batch_size or (config.get("test_dataloader") or {}).get("batch_size") or 1
    options = args.cfg_options or ()
    name, checkpoint, device = args.config, args.checkpoint, args.device
    run = Run(config, name, options, checkpoint, choice, batch_size, device, args.tiles)
    summary = predict(run, source, outputs, args.overwrite)
    print_summary(outputs, summary)
