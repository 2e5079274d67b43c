"""Arguments that the commands train and test share."""

import argparse
import os
from typing import Any

from mmengine.config import DictAction

from msrcnn_mm.engine.config.file import LAUNCHERS

from .arguments import OneLineParser


class RunArgumentParser(OneLineParser):
    """A parser with MMDetection's common arguments.

    Args:
        description: One line about the command.
    """

    def __init__(self, description: str) -> None:
        super().__init__(description=description, allow_abbrev=False)
        self.add_argument(
            "config", help="config file, or one of MMDetection's: mmdet::FOLDER/NAME.py"
        )

    def add_common_arguments(self) -> None:
        """Adds the arguments that both commands take, after their own."""
        self.add_argument("--work-dir", help="folder of logs and results [work_dirs/CONFIG's name]")
        self.add_argument(
            "--cfg-options",
            nargs="+",
            action=_Options,
            metavar="KEY=VALUE",
            help='override settings of the config, e.g. train_dataloader.batch_size=4 key="[a,b]"',
        )
        self.add_argument("--launcher", choices=LAUNCHERS, default="none")
        self.add_argument("--local_rank", "--local-rank", type=int, default=0)

    def parse_args(self, *args: Any, **kwargs: Any) -> argparse.Namespace:  # type: ignore[override]
        """Parses the command line, and passes an old launcher's rank on to mmengine."""
        arguments = super().parse_args(*args, **kwargs)
        os.environ.setdefault("LOCAL_RANK", str(arguments.local_rank))
        return arguments


class _Options(DictAction):
    """mmengine's KEY=VALUE pairs, with a message where the ``=`` is missing."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: Any = None) -> None:
        for pair in values:
            if "=" not in pair.lstrip("="):
                parser.error(f"--cfg-options {pair}: write KEY=VALUE, without spaces")
        try:
            super().__call__(parser, namespace, values, option_string)
        except (AssertionError, ValueError, SyntaxError) as error:
            parser.error(f"--cfg-options {' '.join(values)}: {error}")
