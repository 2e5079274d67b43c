"""Checks of the form of a config: data sets, wrapped and in lists, and what MMDetection 2 reads.

mmengine does not read the settings of MMDetection 2 and says nothing about them.
"""

import inspect
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any

from mmdet.datasets import CocoDataset, MultiImageMixDataset
from mmdet.datasets.transforms import Albu
from mmdet.registry import DATASETS, TRANSFORMS
from mmengine.config import Config
from mmengine.dataset import BaseDataset, ClassBalancedDataset, ConcatDataset, RepeatDataset

from msrcnn_mm.errors import UserError, first_names, warn

from ..adapters import coco_dataset
from ..config.walk import class_of, leaf_datasets, parts
from .evaluators import EVALUATOR_OF_EACH, measures_each
from .mmdetection2 import OLD_SETTINGS, OLD_TRANSFORM_SETTINGS, OLD_TRANSFORMS

_CONCAT = "dict(type='ConcatDataset', datasets=[...])"
_WRAPPERS = {
    ConcatDataset: "datasets",
    ClassBalancedDataset: "dataset",
    MultiImageMixDataset: "dataset",
    RepeatDataset: "dataset",
}


def check_forms(config: Config, splits: Sequence[str]) -> None:
    """Checks that the data sets of a config are written as MMDetection 3 reads them.

    A setting of MMDetection 2 beside them gives a warning, unless its value is found in a setting
    that is read: then it is a variable of the config file.

    Args:
        config: The whole config.
        splits: Those of ``train``, ``val`` and ``test`` that the run will read.

    Raises:
        UserError: A data set is not, or is given only as MMDetection 2 reads it.
    """
    data = config.get("data")
    old = data if isinstance(data, Mapping) else {}
    for split in splits:
        loader = config.get(f"{split}_dataloader")
        unread = set(_files(old.get(split))) - set(_files(loader))
        if unread:
            raise UserError(
                f"data.{split} is of MMDetection 2, and its {min(unread)} is not read: write "
                f"{split}_dataloader = dict(batch_size=..., num_workers=..., dataset=dict(...))"
            )
        if loader is not None:
            _check_loader(loader, f"{split}_dataloader")
            if split != "train":
                _check_evaluator(config.get(f"{split}_evaluator"), f"{split}_evaluator")
                _warn_of_repeats(loader["dataset"], config.get(f"{split}_evaluator"), split)
    for where, pipeline in _pipelines(config, splits):
        _check_pipeline(pipeline, where, config)
    if "train" in splits:
        read = list(_values([config[key] for key in config if key not in OLD_SETTINGS]))
        found = [(key, key) for key in OLD_SETTINGS if config.get(key) not in (None, *read)]
        found += [(f"data.{key}", key) for key in OLD_SETTINGS if key in old]
        for path, key in found:
            warn(f"{path} is of MMDetection 2 and is not read: write {OLD_SETTINGS[key]}")


def _check_loader(loader: Any, where: str) -> None:
    """Checks the form of a data loader and its data sets."""
    if isinstance(loader, list | tuple):
        raise UserError(
            f"{where} is a list, and mmengine reads one loader: write "
            f"dataset={_concat(where)} in one"
        )
    _refuse_old(loader, (), where)
    if "dataset" not in loader:
        raise UserError(f"{where} has no dataset")
    _check_dataset(loader["dataset"], f"{where}.dataset")


def _check_evaluator(evaluator: Any, where: str) -> None:
    """Refuses an evaluator of several files."""
    for path, part in parts(evaluator, where):
        if isinstance(part.get("ann_file"), list | tuple):
            raise UserError(
                f"{path}.ann_file is a list, and a metric reads one: write {EVALUATOR_OF_EACH} "
                "with a metric for each"
            )


def _warn_of_repeats(dataset: Mapping, evaluator: Any, split: str) -> None:
    """Warns of images that are tested more than once and measured together."""
    classes = [class_of(part, DATASETS) or object for _, part in parts(dataset, "")]
    repeated = any(issubclass(cls, RepeatDataset | ClassBalancedDataset) for cls in classes)
    leaves = [leaf for _, leaf in leaf_datasets(dataset, "")]
    files = {(leaf.get("data_root"), leaf.get("ann_file")) for leaf in leaves}
    if repeated or (len(files) < len(leaves) and not measures_each(evaluator)):
        warn(
            f"{split}_dataloader.dataset has images more than once, and AP takes their further "
            "detections for false ones: test every data set once"
        )


def _concat(where: str) -> str:
    """Returns the form of several data sets, for val and test with that of their evaluator."""
    split = where.partition("_")[0]
    if split == "train":
        return _CONCAT
    return f"{_CONCAT} and {split}_evaluator = {EVALUATOR_OF_EACH}"


def _check_dataset(dataset: Any, where: str) -> None:
    """Checks the form of a data set and of those inside it."""
    if isinstance(dataset, list | tuple):
        raise UserError(f"{where} is a list: write {_concat(where)}")
    if not isinstance(dataset, Mapping) or "type" not in dataset:
        raise UserError(f"{where} must be a dict(type=..., ...), not {str(dataset)[:100]}")
    cls = class_of(dataset, DATASETS) or object
    known = _known(cls)
    _refuse_old(dataset, known, where)
    if "_delete_" in dataset:
        raise UserError(f"{where} has _delete_, and no base has a data set there: remove it")
    for wrapper, key in _WRAPPERS.items():
        if issubclass(cls, wrapper):
            for name in (key, *_required(cls)):
                if name not in dataset:
                    raise UserError(
                        f"{where} is a {cls.__name__} and has no {name}: write {name}=..."
                    )
            others = [name for name in dataset if name not in {"type", "_scope_", *known}]
            if others and "kwargs" not in known:
                raise UserError(
                    f"{where} is a {cls.__name__} and has ({first_names(others)}), as left by the "
                    f"data set of a base: write dict(_delete_=True, type={cls.__name__!r}, ...)"
                )
            _check_wrapped(dataset[key], f"{where}.{key}", cls)
    read = getattr(cls, "_join_prefix", None)
    if read is BaseDataset._join_prefix:
        _check_files(dataset, cls, where)


def _check_wrapped(inner: Any, where: str, wrapper: type) -> None:
    """Checks the form of the data sets inside another."""
    if issubclass(wrapper, ConcatDataset):
        if not isinstance(inner, list | tuple) or not inner:
            raise UserError(f"{where} must be a list of data sets, not {str(inner)[:100]}")
        for index, dataset in enumerate(inner):
            _check_dataset(dataset, f"{where}[{index}]")
        return
    _check_dataset(inner, where)
    cls = class_of(inner, DATASETS)
    if issubclass(wrapper, ClassBalancedDataset) and cls and not hasattr(cls, "get_cat_ids"):
        raise UserError(
            f"{where} is a {cls.__name__}, which a ClassBalancedDataset cannot balance: put each "
            f"data set into a ClassBalancedDataset, and that into the {cls.__name__}"
        )


def _check_files(dataset: Mapping, cls: type, where: str) -> None:
    """Checks the form of the settings that name a data set's files."""
    for key in ("ann_file", "data_root"):
        if isinstance(dataset.get(key), list | tuple):
            raise UserError(
                f"{where}.{key} is a list, and MMDetection 3 reads one: write a data set for "
                f"each, {_concat(where)}"
            )
    prefix = dataset.get("data_prefix", {})
    if not isinstance(prefix, Mapping):
        raise UserError(f"{where}.data_prefix is {prefix!r}: write data_prefix=dict(img=...)")
    for key, folder in prefix.items():
        if not isinstance(folder, str):
            raise UserError(f"{where}.data_prefix.{key} must be one folder, not {folder!r}")
    # one of its own may set the folder by itself
    known = (CocoDataset.__init__, coco_dataset.CocoDataset.__init__)
    own = cls.__init__ not in known  # type: ignore[misc]
    if issubclass(cls, CocoDataset) and not own and "img" not in prefix:
        raise UserError(
            f"{where}.data_prefix has no img: write data_prefix=dict(img=...), the folder of the "
            "images, '' for data_root"
        )


def _refuse_old(part: Mapping, known: Container[str], where: str) -> None:
    """Refuses the settings of MMDetection 2 in a loader or data set that does not know them."""
    for key, instead in OLD_SETTINGS.items():
        if key in part and key not in known:
            raise UserError(f"{where}.{key} is of MMDetection 2: write {instead}")


def _pipelines(config: Config, splits: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Yields the pipelines of loaders and of hooks that replace those, each with its key."""
    for split in splits:
        where = f"{split}_dataloader"
        for path, part in parts(config.get(where), where):
            if "pipeline" in part:
                yield f"{path}.pipeline", part["pipeline"]
    for path, hook in (
        parts(config.get("custom_hooks"), "custom_hooks") if "train" in splits else ()
    ):
        if "switch_pipeline" in hook:
            yield f"{path}.switch_pipeline", hook["switch_pipeline"]


def _check_pipeline(pipeline: Any, where: str, config: Config) -> None:
    """Refuses the steps of MMDetection 2; transforms of other libraries and own ones may be any."""
    foreign: tuple[str, ...] = ()
    for path, step in parts(pipeline, where):
        if path.startswith(foreign):
            continue
        cls = class_of(step, TRANSFORMS)
        if cls is not None and issubclass(cls, Albu):  # its steps are of Albumentations
            foreign += (f"{path}.",)
        if cls is not None and cls.__module__.partition(".")[0] not in ("mmcv", "mmdet"):
            continue
        name = str(step.get("type")).rpartition(".")[2] if cls is None else cls.__name__
        if name in OLD_TRANSFORMS:
            raise UserError(f"{path} is {name} of MMDetection 2: write {OLD_TRANSFORMS[name]}")
        model = config.get("model") or {}
        preprocessor = model.get("data_preprocessor") or config.get("data_preprocessor") or {}
        if name == "Normalize" and preprocessor.get("mean") is not None:
            raise UserError(
                f"{path} is Normalize, as in MMDetection 2, and data_preprocessor normalizes the "
                "images once more: remove the step, and write "
                "model = dict(data_preprocessor=dict(mean=..., std=..., bgr_to_rgb=...))"
            )
        known = _known(cls) if cls is not None else step
        for key, instead in OLD_TRANSFORM_SETTINGS.items():
            if key in step and key not in known:
                raise UserError(f"{path}.{key} is of MMDetection 2: write {instead}")


def _known(cls: type) -> set[str]:
    """Returns the settings that a class or one of its bases knows."""
    return {name for base in inspect.getmro(cls) for name in inspect.signature(base).parameters}


def _required(cls: type) -> list[str]:
    """Returns the settings that a class cannot do without."""
    found = inspect.signature(cls).parameters.values()
    several = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [p.name for p in found if p.default is p.empty and p.kind not in several]


def _files(part: Any) -> Iterator[str]:
    """Yields the annotation files in a part of a config."""
    for _, inner in parts(part, ""):
        files = inner.get("ann_file") or []
        yield from [files] if isinstance(files, str) else map(str, files)


def _values(part: Any) -> Iterator[Any]:
    """Yields a part of a config and everything inside it."""
    yield part
    inner = part.values() if isinstance(part, Mapping) else part
    if isinstance(part, Mapping | list | tuple):
        for value in inner:
            yield from _values(value)
