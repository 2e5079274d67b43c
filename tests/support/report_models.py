"""Small models to report on."""

import dataclasses
from typing import Any

from msrcnn_mm.evaluation.evaluate import evaluate_scores
from msrcnn_mm.report.evaluated_detector import ReportModel
from tests.support.coco_scenes import annotation, as_coco, detection, random_scene, rectangle


def random_model(seed: int, images: int = 8) -> ReportModel:
    annotations, detections = random_scene(seed, images)
    coco = as_coco(annotations, images)
    return ReportModel("random", detections, evaluate_scores(coco, detections))


def model_of(masks: list[tuple[float, int, float | None]]) -> ReportModel:
    """One class, an image and a 40 x 40 instance a mask, whose IoU with it is ``width / 40``.

    Args:
        masks: (class score, width, s_iou) of each.
    """
    annotations, detections = [], []
    for i, (score, width, mask_iou) in enumerate(masks):
        annotations.append(annotation(i + 1, 10 + i, rectangle(20, 20, 60, 60)))
        mask = rectangle(20, 20, 20 + width, 60) if width else rectangle(80, 80, 90, 90)
        detections.append(detection(10 + i, mask, score, mask_iou=mask_iou))
    coco = as_coco(annotations, len(masks), {3: "ring"})
    return ReportModel("made", detections, evaluate_scores(coco, detections))


def with_evaluation(model: ReportModel, **changes: Any) -> ReportModel:
    """The same with parts of its evaluation replaced."""
    return dataclasses.replace(model, evaluation=dataclasses.replace(model.evaluation, **changes))
