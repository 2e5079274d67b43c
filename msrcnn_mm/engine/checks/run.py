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
from .datasets import check_dataset, declared_classes, reads_as_coco
from .evaluators import evaluators_of
from .forms import check_forms
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
    check_thresholds(config.model)
    if "train" in splits:
        check_pretrained(config.model)
        check_pipelines(config)
    files: dict[str, AnnotationFile] = {}
    reference: tuple[str, tuple[str, ...]] | None = None
    for split in splits:
        loader = config.get(f"{split}_dataloader")
        if loader is None:
            if split == "val":
                continue
            raise UserError(f"the config has no {split}_dataloader")
        leaves = leaf_datasets(loader["dataset"], f"{split}_dataloader.dataset")
        for number, (where, dataset) in enumerate(leaves):
            cls = class_of(dataset, DATASETS)
            if cls is None or not reads_as_coco(cls):
                name = dataset.get("type") if cls is None else cls.__name__
                warn(f"{where} is a {name}, and only COCO-format data is checked")
                continue
            classes = declared_classes(dataset, cls, where)
            if reference is None:
                reference = where, classes
                check_heads(config.model, classes)
            elif classes != reference[1]:
                raise UserError(
                    f"{where} has the classes ({first_names(classes, 10, repr)}), but "
                    f"{reference[0]} has ({first_names(reference[1], 10, repr)}): they must be the "
                    "same, in the same order"
                )
            evaluators = evaluators_of(config.get(f"{split}_evaluator"), number)
            check_dataset(dataset, where, classes, files, split, evaluators)
