"""Evaluation of masks ranked by class score, mask score, maskness and the oracle.

It reads detections and annotations only, so the masks may come from any detector.
"""

from msrcnn_mm.coco.annotations import load_annotations
from msrcnn_mm.coco.results_file import load_results

from .average_precision import average_precisions
from .evaluate import evaluate_scores
from .evaluation_result import ScoreEvaluation, as_json
from .protocol import Protocol, coco_protocol
from .true_ious import GroundTruth, ground_truth_masks, true_ious

__all__ = [
    "GroundTruth",
    "Protocol",
    "ScoreEvaluation",
    "as_json",
    "average_precisions",
    "coco_protocol",
    "evaluate_scores",
    "ground_truth_masks",
    "load_annotations",
    "load_results",
    "true_ious",
]
