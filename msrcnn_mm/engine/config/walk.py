"""Traversal of configs: parts, classes and settings, data sets and their files."""

import inspect
import re
from collections.abc import Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import Any

from mmcv.transforms import LoadImageFromFile
from mmdet.datasets.transforms import LoadImageFromNDArray
from mmdet.registry import MODELS, TRANSFORMS
from mmengine.config import Config, ConfigDict
from mmengine.fileio import LocalBackend, get_file_backend
from mmengine.registry import Registry

_SPLITS = ("train", "val", "test")
_DATA = ("dataloader", "evaluator")
_FILES = ("ann_file", "proposal_file")
_LOADER = re.compile("Load.*Image")  # OpenMMLab's name of a transform that loads images


def parts(part: Any, path: str) -> Iterator[tuple[str, MutableMapping]]:
    """Yields a part of a config and all parts inside it, each with its path.

    Args:
        part: The part; a value that is no mapping, nor a list of some, has none.
        path: Its path, as in ``model.roi_head``; parts in lists are ``path[0]`` and so on.
    """
    if isinstance(part, list | tuple):
        for index, inner in enumerate(part):
            yield from parts(inner, f"{path}[{index}]")
    if isinstance(part, MutableMapping):
        yield path, part
        for key, inner in part.items():
            yield from parts(inner, f"{path}.{key}")


def inner_datasets(dataset: Mapping, where: str) -> Iterator[tuple[str, Mapping]]:
    """Yields the data sets inside a RepeatDataset, ConcatDataset and the like, each with its key.

    Args:
        dataset: The data set's config; one that reads files has none inside.
        where: Its key in the config.
    """
    for key in ("dataset", "datasets"):
        inner = dataset.get(key)
        if isinstance(inner, Mapping):
            yield f"{where}.{key}", inner
        for index, part in enumerate(inner if isinstance(inner, list | tuple) else ()):
            yield f"{where}.{key}[{index}]", part


def leaf_datasets(dataset: Mapping, where: str) -> Iterator[tuple[str, Mapping]]:
    """Yields the data sets that read files, inside others or not, each with its key."""
    inner = [*inner_datasets(dataset, where)]
    if not inner:
        yield where, dataset
    for path, part in inner:
        yield from leaf_datasets(part, path)


def loading_step(part: Any) -> Mapping | None:
    """Returns the config of the first transform that loads images, also inside others.

    Args:
        part: A pipeline's config, or that of a data set or data loader with its pipelines.
    """
    for _, step in parts(part, ""):
        if loads_images(class_of(step, TRANSFORMS)):
            return step
    return None


def loads_images(cls: type | None) -> bool:
    """Returns whether a transform's class loads images from files, as its name or base says."""
    if cls is None or issubclass(cls, LoadImageFromNDArray):
        return False
    return issubclass(cls, LoadImageFromFile) or _LOADER.match(cls.__name__) is not None


def annotation_files(config: Config) -> list[Path]:
    """Returns the files of annotations and proposals that a config names, for any run.

    Values that are no file names are ignored: a run that needs one reports the mistake.
    """
    read = [config.get(f"{split}_{part}") for split in _SPLITS for part in _DATA]
    return [
        Path(part.get("data_root") or "", part[key])
        for _, part in parts(read, "")
        for key in _FILES
        if isinstance(part.get(key), str) and part[key]
    ]


def as_list(evaluator: Any) -> list[ConfigDict]:
    """Returns the metrics of an evaluator, which a config gives as one or as a list."""
    return list(evaluator) if isinstance(evaluator, list | tuple) else [evaluator]


def class_of(part: Any, registry: Registry) -> type | None:
    """Returns the class that a part of a config is built of; None if that is unknown.

    Args:
        part: The part, or its ``type``: a name or, in MMDetection's new-style configs, the class.
        registry: The registry in which the name is looked up.
    """
    kind = part.get("type") if isinstance(part, Mapping) else part
    if isinstance(kind, str):
        try:
            kind = registry.get(kind)
        except RuntimeError:
            return None
    return kind if isinstance(kind, type) else None


def setting_of(part: Mapping, name: str, registry: Registry = MODELS) -> Any:
    """Returns a setting of a part of a config, or the default of its class; None without either."""
    if name in part:
        return part[name]
    cls = class_of(part, registry)
    for base in inspect.getmro(cls) if cls is not None else ():
        parameter = inspect.signature(base).parameters.get(name)
        if parameter is not None:
            return None if parameter.default is parameter.empty else parameter.default
    return None


def is_local(path: str, backend_args: Any) -> bool:
    """Returns whether a path is on a disk of this machine rather than in a store."""
    return isinstance(get_file_backend(path, backend_args=backend_args), LocalBackend)
