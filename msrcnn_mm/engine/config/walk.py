"""Ways through a config: its parts, its data sets, the files that these are described by."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

_SPLITS = ("train", "val", "test")
_DATA = ("dataloader", "evaluator")
_FILES = ("ann_file", "proposal_file")


def parts(part: Any, path: str) -> Iterator[tuple[str, Mapping]]:
    """A part of a config and all parts inside it, each with where it stands.

    Args:
        part: The part; what is no mapping, nor a list of some, has none.
        path: Where it stands, as in ``model.roi_head``; parts in lists are ``path[0]`` and so on.
    """
    if isinstance(part, list | tuple):
        for index, inner in enumerate(part):
            yield from parts(inner, f"{path}[{index}]")
    if isinstance(part, Mapping):
        yield path, part
        for key, inner in part.items():
            yield from parts(inner, f"{path}.{key}")


def leaf_datasets(dataset: Mapping, where: str) -> Iterator[tuple[str, Mapping]]:
    """The data sets that read files, inside RepeatDataset, ConcatDataset and the like."""
    if "dataset" in dataset:
        yield from leaf_datasets(dataset["dataset"], f"{where}.dataset")
    elif "datasets" in dataset:
        for index, inner in enumerate(dataset["datasets"]):
            yield from leaf_datasets(inner, f"{where}.datasets[{index}]")
    else:
        yield where, dataset


def annotation_files(config: Config) -> list[Path]:
    """The files of annotations and proposals that a config names, whether a run reads them or not.

    What is no file's name is passed over: a run that needs it finds the mistake.
    """
    read = [config.get(f"{split}_{part}") for split in _SPLITS for part in _DATA]
    return [
        Path(part.get("data_root") or "", part[key])
        for _, part in parts(read, "")
        for key in _FILES
        if isinstance(part.get(key), str) and part[key]
    ]
