"""All checks of a run before it computes anything.

MMDetection trains to an mAP of zero, without a message, when the class list is not the annotation
file's. Other mistakes end it hours later, in a worker process or at the first evaluation.
"""

from collections.abc import Sequence

from mmdet.registry import DATASETS
from mmengine.config import Config
from mmengine.registry import init_default_scope

from msrcnn_mm.coco.annotations import AnnotationFile
from msrcnn_mm.errors import UserError, first_names, warn

from ..config.walk import class_of, leaf_datasets
from .categories import check_categories
from .datasets import (
    CheckedDataset,
    check_annotations,
    check_dataset,
    declared_classes,
    find_files,
    read_file,
    reads_as_coco,
)
from .evaluators import check_several, evaluator_file, evaluators_of, measures_each
from .forms import check_forms
from .loaded_images import accepted_channels
from .model import check_heads, check_pretrained, check_thresholds
from .pipelines import check_pipelines


def check_run(config: Config, splits: Sequence[str]) -> None:
    """Checks model, data and evaluators of a config against each other and against the disk.

    Args:
        config: The whole config, as the run will use it.
        splits: Those of ``train``, ``val`` and ``test`` that the run will read.

    Raises:
        UserError: For the first thing that is wrong, with its remedy.
    """
    init_default_scope(config.get("default_scope") or "mmdet")
    check_forms(config, splits)
    for split in splits:
        if config.get(f"{split}_dataloader") is None and split != "val":
            raise UserError(f"the config has no {split}_dataloader")
    check_thresholds(config.model)
    if "train" in splits:
        check_pretrained(config.model)
        check_pipelines(config)
    found: list[CheckedDataset] = []
    declared: list[tuple[str, tuple[str, ...]]] = []
    for split in splits:
        loader = config.get(f"{split}_dataloader")
        if loader is None:  # a training without validation
            continue
        leaves = leaf_datasets(loader["dataset"], f"{split}_dataloader.dataset")
        for number, (where, dataset) in enumerate(leaves):
            cls = class_of(dataset, DATASETS)
            if cls is None or not reads_as_coco(cls):
                name = dataset.get("type") if cls is None else cls.__name__
                warn(f"{where} is a {name}, and only COCO-format data is checked")
                continue
            classes = declared_classes(dataset, cls, where)
            declared.append((where, classes))
            evaluators = evaluators_of(config.get(f"{split}_evaluator"), number)
            with_files = find_files(dataset, cls, where, classes, split, evaluators)
            if with_files is not None:
                found.append(with_files)
    if declared:
        check_heads(config.model, declared[0][1])
    files = _read_files(found)
    for where, classes in declared[1:]:
        if classes != declared[0][1]:
            raise UserError(
                f"{where} has the classes ({first_names(classes, 10, repr)}), but "
                f"{declared[0][0]} has ({first_names(declared[0][1], 10, repr)}): they must be the "
                "same, in the same order"
            )
    for split in splits:
        if split != "train":
            several = [(d.where, files[d.path], d.evaluators) for d in found if d.split == split]
            check_several(several, split, measures_each(config.get(f"{split}_evaluator")))
    uses: set[tuple[str, bool]] = set()
    for checked in found:
        use = (checked.path, checked.split == "train")
        if use not in uses:  # several data sets may read one file
            check_annotations(checked, files[checked.path])
        uses.add(use)
        check_dataset(checked, files, accepted_channels(config, checked.split))
    for file in files.values():
        file.warn_of_notes()


def _read_files(found: Sequence[CheckedDataset]) -> dict[str, AnnotationFile]:
    """Returns the annotation files of data sets and evaluators by path, their categories checked.

    All are read before any is checked: a file's categories are wrong or right beside those of the
    others.
    """
    files: dict[str, AnnotationFile] = {}
    named: dict[str, AnnotationFile] = {}
    for dataset in found:
        named[dataset.where] = read_file(dataset.path, dataset.where, files)
        for evaluator in dataset.evaluators:
            path = evaluator_file(evaluator)
            if path is not None:
                where = f"{dataset.split}_evaluator.ann_file"
                named[where] = read_file(path, where, files)
    if found:
        default = "classes" not in (found[0].config.get("metainfo") or {})
        check_categories(found[0].classes, named, found[0].cls.__name__ if default else None)
    return files
