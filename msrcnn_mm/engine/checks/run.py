"""What is looked at before a run computes anything.

MMDetection trains to an mAP of zero, without a word, when the class list is not the annotation
file's, and it dies hours later, in a worker or at the first evaluation, of much else that can be
seen at once. Here such a thing ends in one line.
"""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmdet.datasets import CocoDataset, CocoPanopticDataset
from mmdet.evaluation import CocoMetric
from mmdet.registry import DATASETS, METRICS, MODELS
from mmengine.config import Config
from mmengine.fileio import LocalBackend, get_file_backend
from mmengine.model import PretrainedInit
from mmengine.registry import Registry, init_default_scope

from msrcnn_mm.coco.annotations import AnnotationFile, Needs
from msrcnn_mm.errors import UserError, warn

from ..config.file import as_list, class_of, on_first_rank
from ..config.walk import leaf_datasets, parts
from ..results.metric import MaskScoreMetric
from .images import check_images

METRIC_NAMES = ("bbox", "segm", "boundary", "proposal", "proposal_fast")
"""What ``MaskScoreMetric`` can measure; ``CocoMetric`` all but Boundary IoU."""

# heads that count otherwise: objectness, and classes of stuff
_OTHER_COUNTS = ("rpn_head", "semantic_head")


def preflight(config: Config, splits: Sequence[str]) -> tuple[str, ...] | None:
    """Checks model, data and evaluators of a config against each other and against the disk.

    Args:
        config: The whole config, as the run will use it.
        splits: Which of ``train``, ``val`` and ``test`` the run will read.

    Returns:
        The classes, if they are known to all of it: not where the data are no COCO's, nor in the
        processes of a distributed run that leave the checks to the first.

    Raises:
        UserError: for the first thing that is wrong, with its remedy.
    """
    if not on_first_rank():
        return None
    init_default_scope(config.get("default_scope") or "mmdet")
    _check_thresholds(config.model)
    if "train" in splits:
        _check_pretrained(config.model)
    files: dict[str, AnnotationFile] = {}
    reference: tuple[str, tuple[str, ...]] | None = None
    for split in splits:
        loader = config.get(f"{split}_dataloader")
        if loader is None:
            if split == "val":
                continue
            raise UserError(f"the config has no {split}_dataloader")
        for where, dataset in leaf_datasets(loader["dataset"], f"{split}_dataloader.dataset"):
            cls = class_of(dataset, DATASETS)
            if cls is None or not _reads_as_coco(cls):
                name = dataset.get("type") if cls is None else cls.__name__
                warn(f"{where} is a {name}, and only COCO-format data is checked")
                continue
            classes = declared_classes(dataset, cls, where)
            if reference is None:
                reference = where, classes
                check_heads(config.model, classes)
            elif classes != reference[1]:
                raise UserError(
                    f"{where} has the classes {_names(classes)}, but {reference[0]} has "
                    f"{_names(reference[1])}: they must be the same, in the same order"
                )
            evaluators = _evaluators(config, split)
            _check_dataset(dataset, where, classes, files, split, evaluators)
    return None if reference is None else reference[1]


def _reads_as_coco(cls: Any) -> bool:
    """Whether a type of data set is CocoDataset, or one that reads files and numbers classes so."""
    return (
        issubclass(cls, CocoDataset)
        and not issubclass(cls, CocoPanopticDataset)
        and cls.load_data_list is CocoDataset.load_data_list
    )


def declared_classes(dataset: Mapping, cls: type, where: str) -> tuple[str, ...]:
    """The class names that a data set's config gives, or else its type's own.

    Raises:
        UserError: if they are no list of different names.
    """
    metainfo = dataset.get("metainfo") or {}
    for old in ("CLASSES", "PALETTE"):
        if old in metainfo:
            raise UserError(
                f"{where}.metainfo has {old}, which MMDetection 3 does not read: "
                f"write {old.lower()}"
            )
    if "classes" in dataset:
        raise UserError(
            f"{where} has classes, which MMDetection 3 reads from metainfo: "
            "write metainfo=dict(classes=classes)"
        )
    classes = cls._load_metainfo(metainfo).get("classes", ())  # type: ignore[attr-defined]
    if isinstance(classes, str):
        raise UserError(
            f"{where}: classes is the text {classes!r}, not a list of names and no file with them; "
            f"for one class write classes = ({classes!r},), with the comma"
        )
    names = tuple(classes)
    if not names or not all(isinstance(name, str) for name in names):
        raise UserError(f"{where}: classes must be a list of names, not {classes!r}")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UserError(f"{where}: classes has {_names(twice)} more than once")
    return names


def check_heads(model: Mapping, classes: Sequence[str]) -> None:
    """Makes sure that every head that tells classes apart tells as many as there are.

    Raises:
        UserError: naming each head that does not.
    """
    wrong = [
        f"{path}.num_classes={count}"
        for path, count in _class_counts(model)
        if count != len(classes)
    ]
    if wrong:
        raise UserError(
            f"{', '.join(wrong)}, but the data set has {len(classes)} "
            f"class{'es' if len(classes) > 1 else ''} {_names(classes)}: "
            "set num_classes=len(classes) in every head"
        )


def _class_counts(model: Mapping) -> Iterator[tuple[str, int]]:
    """Every head of a model config with its number of classes, also where it is the default."""
    for path, part in parts(model, "model"):
        name = path.rpartition(".")[2].partition("[")[0]
        if (
            name.endswith("_head")
            and name not in _OTHER_COUNTS
            and not _setting(part, "class_agnostic")
        ):
            count = _setting(part, "num_classes")
            if count is not None:
                yield path, count


def _setting(part: Mapping, name: str, registry: Registry = MODELS) -> Any:
    """What the config says, or the default of the class that it names; None without either."""
    if name in part:
        return part[name]
    cls = class_of(part, registry)
    for base in inspect.getmro(cls) if cls is not None else ():
        parameter = inspect.signature(base).parameters.get(name)
        if parameter is not None:
            return None if parameter.default is parameter.empty else parameter.default
    return None


def _check_dataset(
    dataset: Mapping,
    where: str,
    classes: tuple[str, ...],
    files: dict[str, AnnotationFile],
    split: str,
    evaluators: list[Mapping],
) -> None:
    """Checks one data set's files, and that its evaluators judge by the same."""
    built = DATASETS.build({**dataset, "lazy_init": True, "pipeline": []})
    path = built.ann_file
    if not path:
        raise UserError(f"{where} has no ann_file")
    if not _is_local(path, dataset.get("backend_args")):
        warn(f"{where}: {path} is not on this machine's disk, so it is not checked")
        return
    if path not in files:
        files[path] = AnnotationFile.read(path, where)
    file = files[path]
    default = "classes" not in (dataset.get("metainfo") or {})
    file.check_classes(classes, where, type(built).__name__ if default else None)
    metrics = {name for evaluator in evaluators for name in metrics_of(evaluator)}
    with_masks = bool(metrics & {"segm", "boundary"})
    if split == "train":
        with_masks = _loads_masks(dataset.get("pipeline"))
    file.check(Needs(masks=with_masks, trained=split == "train", evaluated=bool(metrics)))
    check_images(file, built.data_prefix.get("img", ""), where)
    for evaluator in evaluators:
        _check_evaluator(evaluator, split, classes, file, files)


def _loads_masks(pipeline: Any) -> bool:
    """Whether any step of a pipeline, also of one inside it, loads masks."""
    return any(step.get("with_mask") for _, step in parts(pipeline, "pipeline"))


def _evaluators(config: Config, split: str) -> list[Mapping]:
    """The COCO metrics of a split."""
    return coco_metrics(config.get(f"{split}_evaluator"))


def coco_metrics(evaluator: Any) -> list[Any]:
    """Those of an evaluator's metrics that are a :class:`CocoMetric`."""
    found = [(metric, class_of(metric, METRICS)) for metric in as_list(evaluator)]
    return [metric for metric, cls in found if cls is not None and issubclass(cls, CocoMetric)]


def metrics_of(evaluator: Mapping) -> list[Any]:
    """What an evaluator measures, also where that is its default."""
    return as_list(_setting(evaluator, "metric", METRICS))


def _check_evaluator(
    evaluator: Mapping,
    split: str,
    classes: tuple[str, ...],
    file: AnnotationFile,
    files: dict[str, AnnotationFile],
) -> None:
    """Checks that an evaluator knows what to measure and judges by the images it will be given.

    MMDetection finds out after the whole test has run.
    """
    where = f"{split}_evaluator"
    ours = issubclass(class_of(evaluator, METRICS) or CocoMetric, MaskScoreMetric)
    known = [name for name in METRIC_NAMES if ours or name != "boundary"]
    unknown = [name for name in metrics_of(evaluator) if name not in known]
    if unknown:
        raise UserError(f"{where}: no metric {_names(unknown)}; there are {_names(known)}")
    path = evaluator.get("ann_file")
    if path is None or not _is_local(path, evaluator.get("backend_args")):
        return
    if Path(path).exists() and Path(path).samefile(file.path):
        return
    if path not in files:
        files[path] = AnnotationFile.read(path, f"{where}.ann_file")
    judged = {key: image["file_name"] for key, image in files[path].images.items()}
    absent = sum(judged.get(key) != image["file_name"] for key, image in file.images.items())
    if absent:
        raise UserError(
            f"{where}.ann_file is {path}, but the images come from {file.path}, and {absent} of "
            f"{len(file.images)} are not in it: give both the same file"
        )
    files[path].check_classes(classes, f"{where}.ann_file")


def _check_thresholds(model: Mapping) -> None:
    """Makes sure that every ``score_thr`` of a model is one that a class score can exceed."""
    for path, part in parts(model, "model"):
        threshold = part.get("score_thr", 0)
        number = isinstance(threshold, int | float) and not isinstance(threshold, bool)
        if not (number and threshold < 1):
            raise UserError(f"{path}.score_thr is a number below 1, not {threshold!r}")


def _check_pretrained(model: Mapping) -> None:
    """Makes sure that the files of weights that the model starts from are there."""
    for path, part in parts(model, "model"):
        pretrained = part.get("type") in ("Pretrained", PretrainedInit)
        checkpoint = part.get("checkpoint") if pretrained else None
        file = checkpoint if isinstance(checkpoint, str) and "://" not in checkpoint else None
        if file is not None and not Path(file).expanduser().is_file():
            raise UserError(f"{path}.checkpoint: no such file: {checkpoint}")


def _is_local(path: str, backend_args: Any) -> bool:
    """Whether a path is on a disk of this machine rather than in a store."""
    return isinstance(get_file_backend(path, backend_args=backend_args), LocalBackend)


def _names(names: Sequence[str], count: int = 10) -> str:
    """Names for a message, the first of them where there are many."""
    shown = ", ".join(repr(name) for name in names[:count])
    return f"({shown}, ... {len(names) - count} more)" if len(names) > count else f"({shown})"
