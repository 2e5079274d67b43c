"""Checkpoints: data is read from them, code never; and what cannot be used is said in one line.

``torch.load(weights_only=True)`` reads them, with stand-ins for what mmengine writes beside
tensors. A checkpoint also holds its config as text, which mmengine would run as Python in two
places; neither does so here.
"""

import os
import pickle
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.error import URLError

import mmengine
import torch
from mmengine.infer import BaseInferencer
from mmengine.runner import CheckpointLoader
from mmengine.runner.checkpoint import load_from_http

from msrcnn_mm.errors import UserError

from .safe_unpickling import allowed_globals, settle

_FORCE = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
_FORBID = "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"


class CheckpointError(UserError):
    """A checkpoint that cannot be used: unreadable, unsafe, or not this model's."""


class MissingCheckpointError(CheckpointError, FileNotFoundError):
    """A checkpoint file that is not there."""


@contextmanager
def _weights_only() -> Iterator[None]:
    """Forces ``weights_only=True`` on every ``torch.load`` inside, whatever its caller asks for.

    mmengine passes no flag, and ``torch.hub``, through which it loads what it downloads, passes
    ``False``; the variable overrules both, where the opposite one would overrule the default.
    """
    before = {name: os.environ.pop(name, None) for name in (_FORCE, _FORBID)}
    os.environ[_FORCE] = "1"
    try:
        yield
    finally:
        del os.environ[_FORCE]
        os.environ.update({name: value for name, value in before.items() if value is not None})


def load_checkpoint_safely() -> None:
    """Makes mmengine's loader, and through it every run, read data only; again does nothing.

    Raises:
        CheckpointError: from then on, by the loader, where a checkpoint cannot be used.
    """
    if hasattr(CheckpointLoader.load_checkpoint, "__wrapped__"):
        return
    torch.serialization.add_safe_globals(allowed_globals())
    original = CheckpointLoader.load_checkpoint.__func__

    @wraps(original)
    def load_checkpoint(cls: type, filename: str, *args: Any, **kwargs: Any) -> Any:
        with _weights_only(), _in_one_line(str(filename)):
            checkpoint = original(cls, str(filename), *args, **kwargs)
            settle(checkpoint)
        if not isinstance(checkpoint, dict):
            raise CheckpointError(
                f"{filename}: holds a {type(checkpoint).__name__} where a checkpoint is a dict "
                "with a state_dict"
            )
        # Runner.resume would run this text, which mmcv 1 wrote, as Python
        if isinstance(checkpoint.get("meta"), dict):
            checkpoint["meta"].pop("config", None)
        return checkpoint

    CheckpointLoader.load_checkpoint = classmethod(load_checkpoint)
    _keep_inferencers_from_running_configs()
    if find_spec("torchvision") is None:
        CheckpointLoader.register_scheme("torchvision://", _load_from_torchvision_url, force=True)


def _keep_inferencers_from_running_configs() -> None:
    """An inferencer built from weights alone would run the config inside them, as Python."""
    original = BaseInferencer._init_model

    @wraps(original)
    def init_model(self: BaseInferencer, cfg: Any, weights: Any, *args: Any, **kwargs: Any) -> Any:
        if not cfg:
            raise CheckpointError(
                f"{weights}: an inferencer needs a config beside its weights (model=CONFIG): the "
                "one inside them would be run as Python. If you trust where it comes from, write "
                "meta['cfg'] to a file"
            )
        return original(self, cfg, weights, *args, **kwargs)

    BaseInferencer._init_model = init_model


def _load_from_torchvision_url(filename: str, map_location: Any = None) -> Any:
    """Loads torchvision's weights without torchvision: mmengine has their addresses in a file."""
    name = filename.removeprefix("torchvision://")
    urls = mmengine.load(Path(mmengine.__file__).parent / "hub" / "torchvision_0.12.json")
    if name not in urls:
        raise CheckpointError(f"{filename}: unknown to mmengine without torchvision installed")
    return load_from_http(urls[name], map_location=map_location)


def require_file(name: str) -> None:
    """Makes sure, before anything else is done, that a checkpoint's file is there.

    Raises:
        MissingCheckpointError: if not; an address is left to the loader.
    """
    if "://" not in name and not Path(name).expanduser().is_file():
        raise MissingCheckpointError(f"{name}: no such checkpoint file")


@contextmanager
def _in_one_line(filename: str) -> Iterator[None]:
    """Turns what loading raises for a bad checkpoint into one line that names the file."""
    try:
        yield
    except (UserError, torch.OutOfMemoryError):
        raise
    except FileNotFoundError as error:
        raise MissingCheckpointError(f"{filename}: no such checkpoint file") from error
    except (URLError, ConnectionError, TimeoutError) as error:
        raise CheckpointError(
            f"{filename}: could not be downloaded: {error}; fetch it on a machine that can, and "
            "name the file (a backbone's: --cfg-options model.backbone.init_cfg.checkpoint=FILE)"
        ) from error
    except pickle.UnpicklingError as error:
        found = re.search(r"GLOBAL (\S+) (?:was not|whose)", str(error))
        if found is None:
            raise _damaged(filename, error) from error
        raise CheckpointError(
            f"{filename}: refused: it holds {found[1]}, and loading that could run code. If you "
            "trust where it comes from, save its weights alone: torch.save(dict(state_dict=...))"
        ) from error
    except KeyError as error:
        if "://" in filename:
            raise CheckpointError(f"{filename}: no such checkpoint: {error}") from error
        raise _damaged(filename, error) from error
    except (
        *(RuntimeError, EOFError, OSError, ValueError, TypeError, IndexError),
        *(AttributeError, AssertionError, ArithmeticError, struct.error),
    ) as error:
        raise _damaged(filename, error) from error


def _damaged(filename: str, error: Exception) -> CheckpointError:
    """What to say of a file that cannot be read at all."""
    # torch's own many lines begin with advice to switch the protection off
    lines = [line for line in str(error).splitlines() if line and "documentation" not in line]
    reason = lines[-1].partition(". ")[0] if lines else type(error).__name__
    return CheckpointError(
        f"{filename}: is no checkpoint of torch, or a damaged one ({reason}): copy or save it again"
    )
