"""Settings that the command line overrides (``--cfg-options``)."""

import difflib
import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.config import Config
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from msrcnn_mm.errors import UserError, first_names

from .walk import class_of

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


def override_settings(config: Config, options: dict) -> None:
    """Overrides settings of a config, and refuses options that would change nothing.

    mmengine accepts a first key that nobody reads.

    Args:
        config: The config; changed in place.
        options: Dotted key -> value.

    Raises:
        UserError: An option names no setting; the message names the likely one.
    """
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
    """Returns the advice for an option that names a variable of the config file."""
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
        ways.append(f"set {first_names(named)}")
    return (
        f"{variable} is a variable of the config file, read before the options, so nothing would "
        f"change; {' or '.join(ways)}"
    )


def _places(part: Any, name: str, value: Any, path: str = "") -> Iterator[str]:
    """Yields the settings that have a variable's name or its value."""
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
