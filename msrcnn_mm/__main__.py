"""The commands of the package: ``python -m msrcnn_mm COMMAND``."""

import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from io import TextIOWrapper
from typing import NamedTuple

from msrcnn_mm import __version__
from msrcnn_mm.cli.arguments import one_line_errors
from msrcnn_mm.errors import UserError
from msrcnn_mm.registration import require_mmdetection


class Command(NamedTuple):
    """A command.

    Attributes:
        module: Its module in ``msrcnn_mm.cli``.
        about: A line about it.
        needs_mmdetection: Whether it runs configs.
        onnx_module: The module that runs in its place, without MMDetection, where an argument names
            an exported detector, ``model.onnx``; None if the command takes none.
    """

    module: str
    about: str
    needs_mmdetection: bool = False
    onnx_module: str | None = None


COMMANDS = {
    "check": Command("check", "check annotations and images before a training"),
    "report": Command("report", "write an HTML page on the scores of results"),
    "correlate": Command("correlate", "compare the scores of masks with their true IoU"),
    "agree": Command("agree", "compare masks with those of the mirrored or resized image"),
    "rescore": Command("rescore", "fit better scores from results, or add them to results"),
    "prelabel": Command("prelabel", "accept masks as labels, with a promise of their quality"),
    "labels": Command("labels", "rank labels that are perhaps wrong, with pictures"),
    "calibrate": Command("calibrate", "the old name of rescore with one score"),
    "draw": Command("draw", "draw masks with their scores and true IoU"),
    "train": Command("train", "train a model from a config", True),
    "test": Command("test", "test a checkpoint on a config's test set", True),
    "predict": Command("predict", "predict images, folders or a video", True, "predict_onnx"),
    "app": Command("app", "show the masks of an image you drop on a local page", True, "app_onnx"),
    "export": Command("export", "export a detector as an ONNX file", True),
    "cost": Command("cost", "count and time what detectors cost", True),
    "convert": Command("convert", "convert a checkpoint of another codebase, or back", True),
    "demo-data": Command("demo_data", "make the demo data set"),
}


def main(argv: Sequence[str] | None = None) -> None:
    """Runs a command; without one, or with ``--help``, lists all commands.

    Args:
        argv: The command and its arguments; those of the process by default.
    """
    if isinstance(sys.stdout, TextIOWrapper):  # else a name that it cannot show ends the command
        sys.stdout.reconfigure(errors="backslashreplace")
    name, *words = [*(sys.argv[1:] if argv is None else argv)] or ["--help"]
    with one_line_errors():
        if name in ("-h", "--help", "--version"):
            print(f"msrcnn_mm {__version__}" if name == "--version" else _help(), flush=True)
            return
        command = COMMANDS.get(name)
        if command is None:
            near = get_close_matches(name, COMMANDS, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise UserError(f"no command {name!r}{hint} (see python -m msrcnn_mm --help)")
        module = command.module
        if command.onnx_module and any(word.lower().endswith(".onnx") for word in words):
            module = command.onnx_module
        elif command.needs_mmdetection:
            require_mmdetection(name)
        import_module(f"msrcnn_mm.cli.{module}").main(words)


def _help() -> str:
    lines = [f"  {name:<10} {command.about}{_needs(command)}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            "usage: python -m msrcnn_mm COMMAND ...",
            "",
            *lines,
            "",
            "python -m msrcnn_mm COMMAND --help explains a command, --version prints the version.",
        ]
    )


def _needs(command: Command) -> str:
    if not command.needs_mmdetection:
        return ""
    return " (needs MMDetection" + ", but not for model.onnx" * bool(command.onnx_module) + ")"


if __name__ == "__main__":
    main()
