"""Arguments that the commands train, test and predict share."""

import argparse
import os
from functools import partial
from typing import Any

import torch
from mmengine.config import Config, DictAction

from msrcnn_mm.engine.config.file import LAUNCHERS
from msrcnn_mm.engine.runs.testing import add_views, set_rescorer
from msrcnn_mm.errors import UserError

from .arguments import OneLineParser, split_pair

SAFE = "read the config as data: refuse one that would run code, as a stranger's may"


class RunArgumentParser(OneLineParser):
    """A parser with MMDetection's common arguments.

    Args:
        description: One line about the command.
        first: Name and help of an argument before the config.
    """

    def __init__(self, description: str, first: tuple[str, str] | None = None) -> None:
        super().__init__(description=description, allow_abbrev=False)
        if first is not None:
            self.add_argument(first[0], help=first[1])
        self.add_argument(
            "config", help="config file, or one of MMDetection's: mmdet::FOLDER/NAME.py"
        )
        self.add_argument("--safe", action="store_true", help=SAFE)

    def add_common_arguments(self) -> None:
        """Adds the arguments that train and test take, after their own."""
        self.add_argument("--work-dir", help="folder of logs and results [work_dirs/CONFIG's name]")
        self.add_config_options()
        self.add_argument("--launcher", choices=LAUNCHERS, default="none")
        self.add_argument("--local_rank", "--local-rank", type=int, default=0)

    def add_config_options(self) -> None:
        """Adds ``--cfg-options``."""
        self.add_argument(
            "--cfg-options",
            nargs="+",
            action=_Options,
            metavar="KEY=VALUE",
            help='override settings of the config, e.g. train_dataloader.batch_size=4 key="[a,b]"',
        )

    def add_scores(self) -> None:
        """Adds the options of scores that the config's model does not predict itself."""
        self.add_argument(
            "--views",
            nargs="+",
            type=_view,
            metavar="VIEW",
            help="compare masks with those of other views of each image: flip, mirrored left to"
            " right, or factors of its size, e.g. --views flip 0.8 1.25",
        )
        self.add_argument(
            "--swap",
            nargs="+",
            default=[],
            type=partial(split_pair, what="class names"),
            metavar="A=B",
            help="classes that a mirror swaps, e.g. --swap 'left door=right door'",
        )
        self.add_argument(
            "--rescorer",
            metavar="FILE",
            help="add rescored scores by a file of python -m msrcnn_mm rescore fit",
        )

    def parse_args(self, *args: Any, **kwargs: Any) -> argparse.Namespace:  # type: ignore[override]
        """Parses the command line, and passes an old launcher's rank on to mmengine."""
        arguments = super().parse_args(*args, **kwargs)
        os.environ.setdefault("LOCAL_RANK", str(getattr(arguments, "local_rank", 0)))
        return arguments


def set_scores(config: Config, args: argparse.Namespace) -> None:
    """Changes a config by the options of :meth:`RunArgumentParser.add_scores`.

    Raises:
        UserError: The views are none, the config has views already, or a swap has no mirrored view.
    """
    if args.rescorer is not None:
        set_rescorer(config, args.rescorer)
    if args.views is not None:
        add_views(config, args.views, args.swap)
    elif args.swap:
        raise UserError("--swap: there is no mirrored view: add --views flip")


def check_device(device: str | None) -> None:
    """Checks that torch knows a device and that it is there.

    Raises:
        UserError: It does not, or it is not.
    """
    if device is None:
        return
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"--device {device}: cannot be used: {reason}") from error


def _view(text: str) -> str | float:
    """Returns the factor that a text gives, else the text."""
    try:
        return float(text)
    except ValueError:
        return text


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
