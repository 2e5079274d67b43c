"""Predicts a user's own images: scored masks as a results file, pictures, polygons and counts."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from mmdet.utils import setup_cache_size_limit_of_dynamo

from msrcnn_mm.engine.checkpoints.loading import require_file
from msrcnn_mm.engine.config.file import load_config
from msrcnn_mm.engine.predict.chosen import Choice
from msrcnn_mm.engine.predict.inputs import find_images
from msrcnn_mm.engine.predict.outputs import Outputs
from msrcnn_mm.engine.predict.run import Run, predict
from msrcnn_mm.errors import UserError
from msrcnn_mm.evaluation.protocol import SCORES

from .arguments import number
from .output_paths import writable_folder
from .run_arguments import RunArgumentParser, check_device, set_scores

_LEAST_TILE = 32  # pixels


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    what = "image, folder, quoted pattern such as 'a/**/*.png', .txt list of images, or video"
    parser = RunArgumentParser("Predict images", first=("input", what))
    parser.add_argument("checkpoint", help="checkpoint file or address")
    parser.add_argument(
        "--out",
        default="predictions",
        metavar="FOLDER",
        help="folder of results.json and images.json [predictions]",
    )
    parser.add_argument(
        "--draw", action="store_true", help="draw the masks into pictures/ of that folder"
    )
    parser.add_argument(
        "--polygons", action="store_true", help="write polygons.json, annotations of the masks"
    )
    parser.add_argument(
        "--csv", action="store_true", help="write counts.csv, counts and areas of each class"
    )
    parser.add_argument(
        "--score-by",
        choices=SCORES,
        metavar="SCORE",
        help=f"score that selects what these three show: {', '.join(SCORES)} [rescored_score,"
        " mask_score or class_score, the first that there is]",
    )
    parser.add_argument(
        "--score-thr", type=number, default=0.3, metavar="T", help="its threshold, 0 to 1 [0.3]"
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
    parser.add_argument(
        "--overwrite", action="store_true", help="replace the outputs of another run"
    )
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
    if not 0 <= args.score_thr <= 1:
        raise UserError(f"--score-thr must be a number from 0 to 1, not {args.score_thr:g}")
    if args.batch_size is not None and args.batch_size < 1:
        raise UserError(f"--batch-size must be an integer >= 1, not {args.batch_size}")
    if args.tiles is not None and args.tiles < _LEAST_TILE:
        raise UserError(f"--tiles must be an integer >= {_LEAST_TILE}, not {args.tiles}")
    check_device(args.device)
    setup_cache_size_limit_of_dynamo()
    config = load_config(args.config, args.cfg_options, None, "none")
    require_file(args.checkpoint)
    set_scores(config, args)
    outputs = Outputs(Path(args.out).expanduser(), args.draw, args.polygons, args.csv)
    source = find_images(args.input, outputs.pictures)
    writable_folder(outputs.folder, "--out")
    batch_size = args.batch_size or (config.get("test_dataloader") or {}).get("batch_size") or 1
    choice = Choice(args.score_by, args.score_thr)
    options = args.cfg_options or ()
    name, checkpoint, device = args.config, args.checkpoint, args.device
    run = Run(config, name, options, checkpoint, choice, batch_size, device, args.tiles)
    summary = predict(run, source, outputs, args.overwrite)
    skipped = f", {len(summary.skipped)} skipped" if summary.skipped else ""
    print(
        f"{outputs.results}: {summary.detections} detections in {summary.images} images{skipped};"
        f" {summary.selected} are selected"
    )
