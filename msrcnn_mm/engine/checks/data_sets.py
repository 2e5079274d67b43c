"""Lists the data sets of a config for an inspection."""

from pathlib import Path

from mmdet.registry import DATASETS
from mmengine.registry import init_default_scope

from msrcnn_mm.errors import UserError, warn
from msrcnn_mm.inspection.inspect import DataSet

from ..config.file import load_config
from ..config.walk import class_of, is_local, leaf_datasets
from .datasets import declared_classes, find_files, reads_as_coco


def data_sets_of(name: str) -> list[DataSet]:
    """Returns the data sets of a config that read files in COCO's format, each once.

    Args:
        name: The config, as :func:`.load_config` takes it.

    Raises:
        UserError: The config cannot be read or names no such data set.
    """
    config = load_config(name, None, None, "none")
    init_default_scope(config.get("default_scope") or "mmdet")
    found: dict[tuple[Path, Path | None], DataSet] = {}
    for split in ("train", "val", "test"):
        loader = config.get(f"{split}_dataloader")
        if loader is None:
            continue
        for where, dataset in leaf_datasets(loader["dataset"], f"{split}_dataloader.dataset"):
            cls = class_of(dataset, DATASETS)
            if cls is None or not reads_as_coco(cls):
                warn(f"{where} is not in COCO's format and is not checked")
                continue
            classes = declared_classes(dataset, cls, where)
            files = find_files(dataset, cls, where, classes, split, [])
            if files is None:
                continue
            folder = files.built.data_prefix.get("img", "")
            if not is_local(folder, dataset.get("backend_args")):
                warn(f"{where}: the images are not on this machine's disk, so they are not checked")
                folder = None
            images = None if folder is None else Path(folder)
            found.setdefault((Path(files.path), images), DataSet(Path(files.path), images, classes))
    if not found:
        raise UserError(f"{name}: names no data set in COCO's format on this machine's disk")
    return list(found.values())
