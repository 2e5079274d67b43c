"""Safe loading of checkpoints: only data is read from them, and errors are one line.

``torch.load(weights_only=True)`` reads them, with stand-ins for what mmengine writes beside
tensors. A checkpoint may also hold a config as Python text. ``Runner.resume`` would run the text in
``meta.config``, which is therefore removed; :mod:`msrcnn_mm.compat.code_in_checkpoints` keeps
inferencers from running the other.
"""

import os
import pickle
import re
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.error import URLError
from zipfile import BadZipFile, ZipFile, is_zipfile

import mmengine
import torch
from mmengine.runner import CheckpointLoader
from mmengine.runner.checkpoint import load_from_http

from msrcnn_mm.errors import CheckpointError, MissingCheckpointError, UserError

from .safe_unpickling import STAND_INS, restore

_MOST_UNPACKED = 20  # times the size of the file

_FORCE = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
_FORBID = "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"


class SafeLoader:
    """Wraps a loader of ``CheckpointLoader`` so that it reads data only.

    Args:
        loader: Called with a file name and ``map_location``, as ``CheckpointLoader`` does.

    Raises:
        CheckpointError: When called, if the checkpoint cannot be used.
    """

    def __init__(self, loader: Callable) -> None:
        self._loader = loader
        self.__name__ = loader.__name__  # mmengine logs it

    def __call__(self, filename: str, *args: Any, **kwargs: Any) -> dict:
        """Loads a checkpoint."""
        with _weights_only(), _one_line_errors(filename):
            _refuse_bomb(filename)
            checkpoint = restore(self._loader(filename, *args, **kwargs))
        if not isinstance(checkpoint, dict):
            raise CheckpointError(
                f"{filename}: holds a {type(checkpoint).__name__} where a checkpoint is a dict "
                "with a state_dict"
            )
        if isinstance(checkpoint.get("meta"), dict):
            checkpoint["meta"].pop("config", None)
        return checkpoint


def register_safe_loaders() -> None:
    """Replaces each loader that mmengine has registered by a safe one; a second call does nothing.

    Every run, inferencer and ``load_checkpoint`` of MMDetection loads through these. Where
    torchvision is missing, its weights load by the addresses that mmengine lists.
    """
    loaders = dict(CheckpointLoader._schemes)
    if not any(isinstance(loader, SafeLoader) for loader in loaders.values()):
        torch.serialization.add_safe_globals([*STAND_INS])
        if find_spec("torchvision") is None:
            loaders["torchvision://"] = _load_from_torchvision_url
    for prefix, loader in loaders.items():
        if not isinstance(loader, SafeLoader):
            CheckpointLoader.register_scheme(prefix, SafeLoader(loader), force=True)


@contextmanager
def _weights_only() -> Iterator[None]:
    """Forces ``weights_only=True`` on every ``torch.load`` inside.

    mmengine passes no flag, and ``torch.hub``, through which it loads what it downloads, passes
    ``False``. The variable overrules both; the opposite one would overrule the default.
    """
    before = {name: os.environ.pop(name, None) for name in (_FORCE, _FORBID)}
    os.environ[_FORCE] = "1"
    try:
        yield
    finally:
        del os.environ[_FORCE]
        os.environ.update({name: value for name, value in before.items() if value is not None})


def _load_from_torchvision_url(filename: str, map_location: Any = None) -> Any:
    """Loads torchvision's weights by their address; mmengine lists the addresses in a file."""
    name = filename.removeprefix("torchvision://")
    urls = mmengine.load(Path(mmengine.__file__).parent / "hub" / "torchvision_0.12.json")
    if name not in urls:
        raise CheckpointError(f"{filename}: unknown to mmengine without torchvision installed")
    return load_from_http(urls[name], map_location=map_location)


def require_file(name: str) -> None:
    """Checks that a checkpoint's file exists; an address is left to the loader.

    Raises:
        MissingCheckpointError: It does not.
    """
    if "://" not in name and not Path(name).expanduser().is_file():
        raise MissingCheckpointError(f"{name}: no such checkpoint file")


def _refuse_bomb(filename: str) -> None:
    """Refuses an archive that unpacks to far more bytes than it has, by the sizes that it declares.

    torch compresses nothing, but a checkpoint that was packed again is read too.

    Raises:
        CheckpointError: It does.
    """
    path = Path(filename).expanduser()
    if "://" in filename or not is_zipfile(path):
        return
    with ZipFile(path) as archive:
        unpacked, packed = sum(one.file_size for one in archive.infolist()), path.stat().st_size
    if unpacked > _MOST_UNPACKED * packed:
        raise CheckpointError(
            f"{filename}: refused: it has {packed:,} bytes and would unpack to {unpacked:,}, so it "
            "is no checkpoint of torch; take it from somewhere else"
        )


@contextmanager
def _one_line_errors(filename: str) -> Iterator[None]:
    """Turns the exceptions of loading a bad checkpoint into one line that names the file."""
    try:
        yield
    except (UserError, torch.OutOfMemoryError):
        raise
    except FileNotFoundError as error:
        raise MissingCheckpointError(f"{filename}: no such checkpoint file") from error
    except (URLError, ConnectionError, TimeoutError) as error:
        raise CheckpointError(
            f"{filename}: could not be downloaded: {error}; fetch it on a machine that can, and "
            "name the file (--cfg-options model.backbone.init_cfg.checkpoint=FILE for a backbone's,"
            " model.checkpoint=FILE for a frozen host's)"
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
        *(AttributeError, AssertionError, ArithmeticError, MemoryError),
        *(struct.error, BadZipFile, NotImplementedError),
    ) as error:
        raise _damaged(filename, error) from error


def _damaged(filename: str, error: Exception) -> CheckpointError:
    """Returns the error for a file that cannot be read at all."""
    # torch's own message has many lines, the first with advice to switch the protection off
    lines = [line for line in str(error).splitlines() if line and "documentation" not in line]
    reason = lines[-1].partition(". ")[0] if lines else type(error).__name__
    return CheckpointError(
        f"{filename}: is no checkpoint of torch, or a damaged one ({reason}): copy or save it again"
    )
