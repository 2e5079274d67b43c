"""Exports a detector as an ONNX file that runs without torch and MMDetection."""

import argparse
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from msrcnn_mm.engine.checkpoints.loading import require_file
from msrcnn_mm.engine.config.file import load_config
from msrcnn_mm.errors import UserError
from msrcnn_mm.runtime.inputs import images_of_folder

from .output_paths import add_overwrite, refuse_existing, refuse_inputs
from .run_arguments import RunArgumentParser

_PACKAGES = ("onnx", "onnxruntime", "onnxscript")
_MEASURED = 32  # images on which int8 measures ranges


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = RunArgumentParser("Export a Mask R-CNN or Mask Scoring R-CNN as an ONNX file")
    parser.add_argument("checkpoint", help="checkpoint file or address")
    parser.add_argument("model", metavar="MODEL.onnx", type=Path, help="file to write")
    parser.add_argument(
        "--precision",
        choices=("fp32", "fp16", "int8"),
        default="fp32",
        help="fp16 stores weights in 16 bits; int8 computes in integers of 8 bits [fp32]",
    )
    parser.add_argument(
        "--images",
        metavar="FOLDER",
        help=f"images like those to come; int8 measures ranges of values on {_MEASURED} of them",
    )
    add_overwrite(parser, "MODEL.onnx")
    parser.add_config_options()
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Checks the options, exports, and says what is written.

    Raises:
        UserError: An option, the config or the checkpoint has a mistake, the detector cannot be
            exported, a package is missing, or the file cannot be written.
    """
    args = parse_args(argv)
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        raise UserError(f'export needs {", ".join(missing)}: pip install "msrcnn_mm[export]"')
    if args.model.suffix != ".onnx":
        raise UserError(f"{args.model}: name a file that ends in .onnx")
    refuse_existing([args.model], args.overwrite, "file")
    if (args.precision == "int8") != (args.images is not None):
        raise UserError("--precision int8 and --images FOLDER go together: give both or none")
    from msrcnn_mm.engine.export.write import export  # of packages that may be missing

    config = load_config(args.config, args.cfg_options, None, "none", args.safe)
    require_file(args.checkpoint)
    refuse_inputs(args.model, "MODEL.onnx", args.config, args.checkpoint)
    images = [] if args.images is None else images_of_folder(Path(args.images).expanduser())
    measured = images[:: -(-len(images) // _MEASURED)] if images else []
    settings = export(
        *(config, args.config, args.cfg_options or (), args.checkpoint),
        *(args.model, args.precision, measured),
    )
    print(
        f"{args.model}: {settings.detector} of {len(settings.categories)} classes in"
        f" {settings.precision}, {args.model.stat().st_size / 1e6:.0f} MB"
    )
