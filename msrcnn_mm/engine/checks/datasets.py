"""Checks of data sets: class names, annotations and images."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mmdet.datasets import CocoDataset, CocoPanopticDataset
from mmdet.registry import DATASETS, TRANSFORMS

from msrcnn_mm.coco.annotations import AnnotationFile
from msrcnn_mm.errors import UserError, first_names, warn

from ..adapters.coco_dataset import CompletedCOCO
from ..config.walk import is_local, parts, setting_of
from .evaluators import check_evaluator, metrics_of
from .images import check_images
from .training_objects import check_class_use, check_training_objects, warn_of_boxes


@dataclass(frozen=True)
class CheckedDataset:
    """A data set of a config that reads files in COCO's format.

    Attributes:
        where: Its key in the config.
        config: Its config.
        cls: Its type.
        classes: Its class names.
        split: ``train``, ``val`` or ``test``.
        evaluators: The ``CocoMetric`` configs of the split.
        path: The annotation file.
        built: The data set itself, which has not read its annotations.
    """

    where: str
    config: Mapping
    cls: type
    classes: tuple[str, ...]
    split: str
    evaluators: list[Mapping]
    path: str
    built: CocoDataset


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


def find_files(
    dataset: Mapping,
    cls: type,
    where: str,
    classes: tuple[str, ...],
    split: str,
    evaluators: list[Mapping],
) -> CheckedDataset | None:
    """Finds the files of a data set; None, with a warning, if they are not on this machine's disk.

    Raises:
        UserError: It has no annotation file.
    """
    built = DATASETS.build({**dataset, "lazy_init": True, "pipeline": []})
    path = built.ann_file
    if not path:
        raise UserError(f"{where} has no ann_file")
    if not is_local(path, dataset.get("backend_args")):
        warn(f"{where}: {path} is not on this machine's disk, so it is not checked")
        return None
    return CheckedDataset(where, dataset, cls, classes, split, evaluators, path, built)


def read_file(path: str, where: str, files: dict[str, AnnotationFile]) -> AnnotationFile:
    """Returns an annotation file for MMDetection, which needs images and their file names.

    Args:
        path: The file.
        where: The config's key that names it.
        files: Files by path that were read already; gains this one.

    Raises:
        UserError: It cannot be read.
    """
    if path not in files:
        file = files[path] = AnnotationFile.read(path, where)
        for name, entries in (("categories", file.categories), ("images", file.images)):
            if not entries:
                raise UserError(f"{where}: {path} has no {name}")
        for identity, image in file.images.items():
            if not isinstance(image.get("file_name"), str):
                raise UserError(
                    f"{path}: image {identity}: file_name is {image.get('file_name')!r:.40}: give "
                    "the path of the image below the data set's folder of images"
                )
    return files[path]


def check_dataset(
    found: CheckedDataset, files: Mapping[str, AnnotationFile], channels: range | None
) -> None:
    """Checks one data set's images, and that its evaluators use the same.

    Args:
        found: The data set.
        files: Annotation files by path, those of its evaluators among them.
        channels: The numbers of channels that the model takes; None if that is unknown.

    Raises:
        UserError: For the first thing that is wrong.
    """
    file = files[found.path]
    pipeline = found.config.get("pipeline")
    trained = found.split == "train"
    check_images(file, found.built, pipeline, found.where, trained, channels)
    for evaluator in found.evaluators:
        check_evaluator(evaluator, found.split, file, files)


def check_annotations(found: CheckedDataset, file: AnnotationFile) -> None:
    """Checks one data set's annotations, and warns of those that are not used.

    Args:
        found: The data set.
        file: Its annotation file.

    Raises:
        UserError: For the first thing that is wrong.
    """
    metrics = {name for evaluator in found.evaluators for name in metrics_of(evaluator)}
    with_masks, polygons_only = bool(metrics & {"segm", "boundary"}), False
    if found.split == "train":
        steps = [step for _, step in parts(found.config.get("pipeline"), "pipeline")]
        with_masks = any(setting_of(step, "with_mask", TRANSFORMS) for step in steps)
        polygons_only = any(setting_of(step, "poly2mask", TRANSFORMS) is False for step in steps)
    file.complete(with_masks)
    if file.is_changed and not issubclass(found.cls.COCOAPI, CompletedCOCO):  # type: ignore
        raise UserError(
            f"{found.where}: {file.path} needs completing ({'; '.join(file.notes)}), which "
            f"{found.cls.__module__}.{found.cls.__name__} does not: write type='CocoDataset'"
        )
    if found.split == "train":
        check_training_objects(file, found.classes, found.config, with_masks and polygons_only)
    elif metrics:
        check_class_use(file, found.classes)
        _warn_of_unevaluated(file, found.classes)
    if with_masks:
        warn_of_boxes(file)


def _warn_of_unevaluated(file: AnnotationFile, classes: tuple[str, ...]) -> None:
    """Warns of annotations that an evaluation leaves out."""
    others = {c["id"]: c["name"] for c in file.categories if c["name"] not in classes}
    lost = sum(annotation["category_id"] in others for annotation in file.annotations)
    if lost:
        warn(
            f"{file.path}: {lost} of {len(file.annotations)} annotations are not evaluated: their "
            f"categories are not among the classes ({first_names(list(others.values()), 10)})"
        )
