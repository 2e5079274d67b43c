"""Small evaluated detectors for tests of the report."""

import dataclasses
from typing import Any

from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.evaluation.evaluate import evaluate_scores
from msrcnn_mm.report.evaluated_detector import EvaluatedDetector
from tests.support.coco_scenes import annotation, as_coco, detection, random_scene, rectangle


def random_detector(seed: int, images: int = 8) -> EvaluatedDetector:
    annotations, rows = random_scene(seed, images)
    coco, detections = as_coco(annotations, images), Detections.from_rows(rows)
    return EvaluatedDetector("random", detections, evaluate_scores(coco, detections))


def detector_of(masks: list[tuple[float, int, float | None]]) -> EvaluatedDetector:
    """Returns a detector with one mask in each image, whose true IoU is ``width / 40``.

    Each image has one instance of 40 x 40 pixels, of a single class.

    Args:
        masks: (class score, width, s_iou) of each mask.
    """
    annotations, rows = [], []
    for i, (score, width, mask_iou) in enumerate(masks):
        annotations.append(annotation(i + 1, 10 + i, rectangle(20, 20, 60, 60)))
        mask = rectangle(20, 20, 20 + width, 60) if width else rectangle(80, 80, 90, 90)
        rows.append(detection(10 + i, mask, score, mask_iou=mask_iou))
    coco = as_coco(annotations, len(masks), {3: "ring"})
    detections = Detections.from_rows(rows)
    return EvaluatedDetector("made", detections, evaluate_scores(coco, detections))


def with_evaluation(detector: EvaluatedDetector, **changes: Any) -> EvaluatedDetector:
    """Returns the detector with parts of its evaluation replaced."""
    evaluation = dataclasses.replace(detector.evaluation, **changes)
    return dataclasses.replace(detector, evaluation=evaluation)
