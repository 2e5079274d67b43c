"""What the training and the test command have in common: arguments, config, mistakes.

Everything that a user can get wrong ends in a :class:`UserError`, and before anything is computed.
"""

import argparse
import difflib
import inspect
import os
import re
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict, DictAction
from mmengine.device import get_device
from mmengine.registry import RUNNERS, Registry
from mmengine.runner import Runner

from msrcnn_mm.cli.arguments import OneLineParser
from msrcnn_mm.errors import UserError

# what each launcher gives its processes: their number among all
_RANKS = {"pytorch": "RANK", "slurm": "SLURM_PROCID", "mpi": "OMPI_COMM_WORLD_RANK"}

# keys of a config that are read beside the names of the runner's own arguments
_OTHER_KEYS = {
    "activation_checkpointing",
    "auto_scale_lr",
    "compile",
    "custom_imports",
    "default_scope",
    "detect_anomalous_params",
    "efficient_conv_bn_eval",
    "env_cfg",
    "find_unused_parameters",
    "model_wrapper_cfg",
    "runner_type",
    "sync_bn",
    "tta_model",
    "tta_pipeline",
}


class ArgumentParser(OneLineParser):
    """A parser with MMDetection's common arguments, whose mistakes are one line.

    Args:
        description: What the command does.
    """

    def __init__(self, description: str) -> None:
        super().__init__(description=description, allow_abbrev=False)
        self.add_argument(
            "config", help="config file, or one of MMDetection's: mmdet::FOLDER/NAME.py"
        )

    def add_common_arguments(self) -> None:
        """Adds what both commands take, behind their own arguments."""
        self.add_argument("--work-dir", help="folder of logs and results [work_dirs/CONFIG's name]")
        self.add_argument(
            "--cfg-options",
            nargs="+",
            action=_Options,
            metavar="KEY=VALUE",
            help='override settings of the config, e.g. train_dataloader.batch_size=4 key="[a,b]"',
        )
        self.add_argument("--launcher", choices=["none", "pytorch", "slurm", "mpi"], default="none")
        self.add_argument("--local_rank", "--local-rank", type=int, default=0)

    def parse_args(self, *args: Any, **kwargs: Any) -> argparse.Namespace:  # type: ignore[override]
        """Parses the command line, and tells mmengine the rank that an old launcher passed."""
        arguments = super().parse_args(*args, **kwargs)
        os.environ.setdefault("LOCAL_RANK", str(arguments.local_rank))
        return arguments


class _Options(DictAction):
    """mmengine's KEY=VALUE pairs, with a message where there is no ``=``."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: Any = None) -> None:
        for pair in values:
            if "=" not in pair.lstrip("="):
                parser.error(f"--cfg-options {pair}: write KEY=VALUE, without spaces")
        try:
            super().__call__(parser, namespace, values, option_string)
        except (AssertionError, ValueError, SyntaxError) as error:
            parser.error(f"--cfg-options {' '.join(values)}: {error}")


def load_config(name: str, options: dict | None, work_dir: str | None, launcher: str) -> Config:
    """Reads a config and applies what the command line says.

    Args:
        name: A file, or ``PACKAGE::FOLDER/NAME.py`` for one that a package like ``mmdet`` brings.
        options: Settings to override, by dotted keys.
        work_dir: The run's folder; the config's own or ``work_dirs/NAME`` without.
        launcher: How the processes of a distributed run are started.

    Raises:
        UserError: if there is no such file, it cannot be read, an option names no setting, or the
            launcher cannot work here.
    """
    path = _config_path(name)
    _check_launcher(launcher)
    try:
        config = Config.fromfile(path)
    except FileNotFoundError as error:
        absent = error.filename or str(error)
        raise UserError(
            f"{name}: cannot be read: there is no {absent}; _base_ is relative to the folder of "
            "the file that names it"
        ) from error
    except Exception as error:  # a config is Python, so anything may come of a mistake in it
        reason = " ".join(str(error).split())
        raise UserError(f"{name}: cannot be read: {type(error).__name__}: {reason}") from error
    if "model" not in config:
        raise UserError(f"{name}: defines no model, so it is only a base for other configs")
    _check_scorer(name, config)
    if options:
        _merge(config, options)
    config.launcher = launcher
    if work_dir is not None:
        config.work_dir = work_dir
    elif config.get("work_dir") is None:
        config.work_dir = str(Path("work_dirs") / path.stem)
    return config


def _check_scorer(name: str, config: Config) -> None:
    """An ablation of a config without a scorer, by ABLATION_OF, would only say what it lacks."""
    roi_head = config.model.get("roi_head") or {}
    settings = {"mask_iou_head", "mask_iou_roi_extractor"} & set(roi_head)
    if settings and roi_head.get("type") == "StandardRoIHead":
        raise UserError(
            f"{name}: has settings of a scorer ({', '.join(sorted(settings))}), but its base is no"
            " Mask Scoring R-CNN: let ABLATION_OF name one"
        )


def _config_path(name: str) -> Path:
    """Finds the file that a config name means."""
    package, separator, inner = name.partition("::")
    path = Path(name)
    if separator:
        spec = find_spec(package) if package.isidentifier() else None
        if spec is None or spec.origin is None:
            raise UserError(f"{name}: there is no installed package {package!r}")
        path = Path(spec.origin).parent / ".mim" / "configs" / inner
    if path.is_dir():
        raise UserError(f"{name}: is a folder; name a config file in it")
    if not path.is_file():
        near = difflib.get_close_matches(path.name, [p.name for p in path.parent.glob("*.py")], 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UserError(f"{name}: no such config file{hint}")
    if path.suffix not in (".py", ".json", ".yaml", ".yml"):
        raise UserError(f"{name}: a config is a .py, .json or .yaml file")
    return path


def _check_launcher(launcher: str) -> None:
    """Makes sure that the launcher did launch this process, and that mmengine has what it needs."""
    if launcher == "none":
        return
    if get_device() == "cpu":
        raise UserError(f"--launcher {launcher}: mmengine distributes over GPUs, and there is none")
    if _RANKS[launcher] not in os.environ:
        starter = {"pytorch": "torchrun --nproc_per_node=GPUS", "slurm": "srun", "mpi": "mpirun"}
        raise UserError(
            f"--launcher {launcher}: not started by it; write {starter[launcher]} tools/..."
        )


def _merge(config: Config, options: dict) -> None:
    """Overrides settings; a first key that nobody reads is a mistake that mmengine lets pass."""
    runner = class_of(config.get("runner_type"), RUNNERS) or Runner
    known = set(inspect.signature(runner).parameters) - {"cfg"} | _OTHER_KEYS
    for key in options:
        first = key.split(".")[0]
        if first in known:
            continue
        if first in config:
            raise UserError(f"--cfg-options {key}: {_instead_of(first, config, known)}")
        settings = {name: config[name] for name in config if name in known}
        inner = [path for path in _places(settings, first, None) if path.endswith(f".{first}")]
        near = inner[:3] or difflib.get_close_matches(first, sorted(known), 1)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise UserError(f"--cfg-options {key}: the config has no {first}{hint}")
    try:
        config.merge_from_dict(options)
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"--cfg-options {' '.join(options)}: {reason}") from error


def _instead_of(variable: str, config: Config, known: set[str]) -> str:
    """What to do where an option names a variable of the config file, for which it is too late."""
    value = config[variable]
    settings = {key: config[key] for key in config if key in known}
    places = list(_places(settings, variable, value))
    named = [path for path in places if path.endswith(f".{variable}")] or places
    ways = ["edit the file"]
    # mmengine keeps the files' own text, those of the bases first
    from_outside = re.findall(
        rf"^{re.escape(variable)} *=.*\{{\{{['\"]?\s*\$(\w+)", config.text, re.MULTILINE
    )
    if from_outside:
        ways.append(f"set the environment variable {from_outside[-1]}")
    if named:
        more = f" and {len(named) - 3} more" if len(named) > 3 else ""
        ways.append(f"set {', '.join(named[:3])}{more}")
    return (
        f"{variable} is a variable of the config file and used up when that is read, so nothing "
        f"would change; {' or '.join(ways)}"
    )


def _places(part: Any, name: str, value: Any, path: str = "") -> Iterator[str]:
    """The settings that a variable's value probably went to: of its name, or with its text."""
    if path.endswith(f".{name}") or (
        value and value == part and isinstance(value, str | list | tuple)
    ):
        yield path
    elif isinstance(part, Mapping):
        for key, inner in part.items():
            yield from _places(inner, name, value, f"{path}.{key}" if path else key)
    elif isinstance(part, list | tuple):
        for index, inner in enumerate(part):
            yield from _places(inner, name, value, f"{path}.{index}")


def as_list(evaluator: Any) -> list[ConfigDict]:
    """The metrics of an evaluator, which a config gives as one or as a list."""
    return list(evaluator) if isinstance(evaluator, list | tuple) else [evaluator]


def class_of(part: Any, registry: Registry) -> type | None:
    """The class that a part of a config is built of; None if that is unknown.

    Args:
        part: The part, or its ``type``: a name or, in MMDetection's new-style configs, the class.
        registry: Where the name is looked up.
    """
    kind = part.get("type") if isinstance(part, Mapping) else part
    if isinstance(kind, str):
        try:
            kind = registry.get(kind)
        except RuntimeError:
            return None
    return kind if isinstance(kind, type) else None


def on_first_rank() -> bool:
    """Whether this process speaks for a distributed run; before mmengine has set it up."""
    return all(int(os.environ.get(name, 0)) == 0 for name in _RANKS.values())
