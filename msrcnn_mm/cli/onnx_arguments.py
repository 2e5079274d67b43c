"""Arguments that predict and app share where an exported detector takes the place of a config."""

import argparse
from typing import Any, NoReturn

from msrcnn_mm.errors import UserError

from .arguments import OneLineParser


class OnnxArgumentParser(OneLineParser):
    """A parser of ``COMMAND ... MODEL.onnx``, with a remedy for the options of a config.

    Args:
        command: Name of the command.
        description: What it does.
    """

    def __init__(self, command: str, description: str | None) -> None:
        super().__init__(
            prog=f"python -m msrcnn_mm {command}",
            description=description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def add_model(self) -> None:
        """Adds the arguments MODEL.onnx and ``--rescorer``."""
        self.add_argument("model", metavar="MODEL.onnx", help="file of the command export")
        self.add_argument(
            "--rescorer",
            metavar="FILE",
            help="add rescored scores by a file of python -m msrcnn_mm rescore fit",
        )

    def error(self, message: str) -> NoReturn:
        """Raises a :class:`UserError` that names the help of this form of the command."""
        raise UserError(f"{message} (see {self.prog} model.onnx --help)")

    def parse_args(self, *args: Any, **kwargs: Any) -> argparse.Namespace:  # type: ignore[override]
        """Parses the command line.

        Raises:
            UserError: It has a mistake, such as a config beside the model or an option of configs.
        """
        parsed, others = self.parse_known_args(*args, **kwargs)
        options = [word for word in others if word.startswith("-")]
        if options and options[0].startswith("--cfg-options"):
            raise UserError(f"{options[0]}: the exported model has its settings: give it to export")
        if options:
            raise UserError(
                f"{options[0]}: an exported model does not take it: leave it out, or give CONFIG"
                f" CHECKPOINT in place of the model if it is an option of theirs (see {self.prog}"
                " --help)"
            )
        if others or not parsed.model.lower().endswith(".onnx"):
            raise UserError(
                f"{(others or [parsed.model])[0]}: an exported model takes the place of config and"
                " checkpoint: give the .onnx file alone"
            )
        return parsed
