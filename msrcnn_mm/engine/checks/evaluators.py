"""Checks of evaluators: their metrics and their annotations."""

import os
from collections.abc import Mapping
from typing import Any

from mmdet.evaluation import CocoMetric
from mmdet.registry import METRICS

from msrcnn_mm.coco.annotations import AnnotationFile
from msrcnn_mm.errors import UserError, first_names, warn

from ..adapters.metric import MaskScoreMetric
from ..config.walk import as_list, class_of, is_local, setting_of

METRIC_NAMES = ("bbox", "segm", "boundary", "proposal", "proposal_fast")
"""Metrics of ``MaskScoreMetric``; ``CocoMetric`` has all but Boundary IoU."""

EVALUATOR_OF_EACH = "dict(type='MultiDatasetsEvaluator', metrics=[...], dataset_prefixes=[...])"
"""The form of an evaluator that has a metric for each data set."""


def coco_metrics(evaluator: Any) -> list[Any]:
    """Returns those of an evaluator's metrics that are a ``CocoMetric``."""
    if isinstance(evaluator, Mapping) and "metrics" in evaluator:
        evaluator = evaluator["metrics"]
    found = [(metric, class_of(metric, METRICS)) for metric in as_list(evaluator)]
    return [metric for metric, cls in found if cls is not None and issubclass(cls, CocoMetric)]


def measures_each(evaluator: Any) -> bool:
    """Returns whether an evaluator has a metric for each data set: ``MultiDatasetsEvaluator``."""
    return isinstance(evaluator, Mapping) and "dataset_prefixes" in evaluator


def evaluators_of(evaluator: Any, number: int) -> list[Any]:
    """Returns the ``CocoMetric`` configs that measure a data set.

    Args:
        evaluator: The split's evaluator. One of MMDetection's ``MultiDatasetsEvaluator`` has a
            metric for each data set, any other measures all of them by each.
        number: The number of the data set among those of the split, from 0.
    """
    if measures_each(evaluator):
        evaluator = as_list(evaluator["metrics"])[number : number + 1]
    return coco_metrics(evaluator)


def metrics_of(evaluator: Mapping) -> list[Any]:
    """Returns the metrics that an evaluator measures, be they its default."""
    return as_list(setting_of(evaluator, "metric", METRICS))


def evaluator_file(evaluator: Mapping) -> str | None:
    """Returns the annotation file on this machine's disk that an evaluator names; None without."""
    path = evaluator.get("ann_file")
    return path if path is not None and is_local(path, evaluator.get("backend_args")) else None


def check_evaluator(
    evaluator: Mapping, split: str, file: AnnotationFile, files: Mapping[str, AnnotationFile]
) -> None:
    """Checks that an evaluator knows its metrics and evaluates by the images that it will be given.

    MMDetection fails after the whole test has run.

    Args:
        evaluator: A ``CocoMetric``'s config.
        split: ``val`` or ``test``.
        file: The data set's annotations.
        files: Annotation files by path, the evaluator's among them.

    Raises:
        UserError: A metric is unknown, the evaluator's annotations lack images, or the evaluator
            reads them otherwise than the rest of the run.
    """
    where = f"{split}_evaluator"
    cls = class_of(evaluator, METRICS) or CocoMetric
    ours = issubclass(cls, MaskScoreMetric)
    known = [name for name in METRIC_NAMES if ours or name != "boundary"]
    unknown = [name for name in metrics_of(evaluator) if name not in known]
    if unknown:
        raise UserError(
            f"{where}: no metric ({first_names(unknown, 10, repr)}); "
            f"there are ({first_names(known, 10, repr)})"
        )
    path = evaluator_file(evaluator)
    if path is None:
        return
    judge = files[path]
    judge.complete(masks=bool({"segm", "boundary"} & set(metrics_of(evaluator))))
    if judge.is_changed and not ours:
        raise UserError(
            f"{where}: {path} needs completing ({'; '.join(judge.notes)}), which {cls.__name__} "
            "does not: write type='MaskScoreMetric'"
        )
    if judge.has_id_zero and not ours:
        warn(
            f"{where}: {path} has the annotation id 0, which {cls.__name__} takes for no match, so "
            "its AP is too low: number annotations from 1, or write type='MaskScoreMetric'"
        )
    judged = {key: image["file_name"] for key, image in judge.images.items()}
    absent = sum(judged.get(key) != image["file_name"] for key, image in file.images.items())
    if absent:
        raise UserError(
            f"{where}.ann_file is {path}, but the images come from {file.path}, and {absent} of "
            f"{len(file.images)} are not in it: give both the same file; several data sets need a "
            f"MultiDatasetsEvaluator with a metric for each: {where} = {EVALUATOR_OF_EACH}"
        )


def check_several(
    datasets: list[tuple[str, AnnotationFile, list[Any]]], split: str, each: bool
) -> None:
    """Checks that no data set of a split is measured by the objects of another.

    Files that number their images from 1 share ids and often names: the metric cannot tell their
    images apart.

    Args:
        datasets: The key of each data set in the config, its annotations, its evaluators.
        split: ``val`` or ``test``.
        each: Whether the evaluator has a metric for each data set.

    Raises:
        UserError: Data sets of different annotation files have an image id in common, and one
            metric measures both, or that of one names the file of the other.
    """
    name = f"{split}_evaluator"
    for number, (where, file, evaluators) in enumerate(datasets):
        for other, second, _ in datasets[:number] + datasets[number + 1 :] if evaluators else ():
            mine, others = os.path.realpath(file.path), os.path.realpath(second.path)
            shared = file.images.keys() & second.images.keys() if mine != others else ()
            if not shared:
                continue
            if not each:
                raise UserError(
                    f"{name} measures {where} and {other} together, and {len(shared)} image ids "
                    f"are in both {file.path} and {second.path}: give each a metric of its own, "
                    f"{name} = {EVALUATOR_OF_EACH}"
                )
            judges = [evaluator_file(evaluator) for evaluator in evaluators]
            if others in [os.path.realpath(path) for path in judges if path is not None]:
                raise UserError(
                    f"{name}: the metric of {where} names {second.path}, the file of {other}: "
                    f"name {file.path}, and order metrics as the data sets"
                )
