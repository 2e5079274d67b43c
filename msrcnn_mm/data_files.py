"""The files that a config's data sets name: what runs read, and none may write over."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from mmengine.config import Config

_SPLITS = ("train", "val", "test")


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
    """The annotation files of all data sets of a config, whether a run reads them or not."""
    named = [(dataset, dataset.get("ann_file")) for dataset in _datasets(config)]
    return [Path(dataset.get("data_root") or "", file) for dataset, file in named if file]


def image_folders(config: Config) -> list[Path]:
    """The folders of the images of all data sets of a config, whether a run reads them or not."""
    named = [(d, (d.get("data_prefix") or {}).get("img")) for d in _datasets(config)]
    return [Path(d.get("data_root") or "", folder) for d, folder in named if folder is not None]


def _datasets(config: Config) -> Iterator[Mapping]:
    for split in _SPLITS:
        loader = config.get(f"{split}_dataloader")
        for _, dataset in leaf_datasets(loader["dataset"], "") if loader else ():
            yield dataset
