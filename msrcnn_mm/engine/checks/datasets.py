"""Checks of data sets: class names, annotations and images."""

from collections.abc import Mapping
from typing import Any

from mmdet.datasets import CocoDataset, CocoPanopticDataset
from mmdet.registry import DATASETS

from msrcnn_mm.coco.annotation_checks import Needs
from msrcnn_mm.coco.annotations import AnnotationFile
from msrcnn_mm.errors import UserError, first_names, warn

from ..config.walk import is_local, parts
from .evaluators import check_evaluator, metrics_of
from .images import check_images


def reads_as_coco(cls: Any) -> bool:
    """Returns whether a data set's class reads files and numbers classes as CocoDataset does."""
    return (
        issubclass(cls, CocoDataset)
        and not issubclass(cls, CocoPanopticDataset)
        and cls.load_data_list is CocoDataset.load_data_list
    )


def declared_classes(dataset: Mapping, cls: type, where: str) -> tuple[str, ...]:
    """Returns the class names that a data set's config gives, or else its type's own.

    Args:
        dataset: The data set's config.
        cls: Its type.
        where: Its key in the config.

    Raises:
        UserError: They are no list of different names.
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
        raise UserError(f"{where}: classes has ({first_names(twice, 10, repr)}) more than once")
    return names


def check_dataset(
    dataset: Mapping,
    where: str,
    classes: tuple[str, ...],
    files: dict[str, AnnotationFile],
    split: str,
    evaluators: list[Mapping],
) -> None:
    """Checks one data set's annotations and images, and that its evaluators use the same.

    Args:
        dataset: Its config.
        where: Its key in the config.
        classes: Its class names.
        files: Annotation files by path that were read already; gains this data set's.
        split: ``train``, ``val`` or ``test``.
        evaluators: The ``CocoMetric`` configs of the split.

    Raises:
        UserError: For the first thing that is wrong.
    """
    built = DATASETS.build({**dataset, "lazy_init": True, "pipeline": []})
    path = built.ann_file
    if not path:
        raise UserError(f"{where} has no ann_file")
    if not is_local(path, dataset.get("backend_args")):
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
        steps = parts(dataset.get("pipeline"), "pipeline")  # also those inside others
        with_masks = any(step.get("with_mask") for _, step in steps)
    file.check(Needs(masks=with_masks, trained=split == "train", evaluated=bool(metrics)))
    check_images(file, built, dataset.get("pipeline"), where, trained=split == "train")
    for evaluator in evaluators:
        check_evaluator(evaluator, split, classes, file, files)
